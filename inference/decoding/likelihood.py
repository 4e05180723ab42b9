"""How likely the sounds of a segment are if a text was said: the sum over all ways to say it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional


@torch.inference_mode()
def log_likelihoods(log_probs: np.ndarray, texts: Sequence[Sequence[int]], blank: int) -> list[float]:
    """Of each of `texts`, natural logarithms; minus infinity where one does not fit into the frames.

    log_probs: float32 (frames, tokens), natural logarithms. texts: tokens of each. Spaces among them must have been said: were
    they free, letters that are words would be the likeliest text of anything.
    """
    if not texts:
        return []
    heard = torch.from_numpy(log_probs)[:, None].expand(-1, len(texts), -1)
    tokens = torch.tensor([token for ids in texts for token in ids], dtype=torch.int64)
    lengths = torch.tensor([len(ids) for ids in texts])
    num_frames = torch.full_like(lengths, len(log_probs))
    losses = functional.ctc_loss(heard, tokens, num_frames, lengths, blank=blank, reduction="none")
    found: list[float] = losses.neg().tolist()
    return found
