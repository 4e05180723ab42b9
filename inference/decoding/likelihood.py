"""How likely the sounds of a segment are if a text was said: the sum over all ways to say it.

Source: A. Graves et al., Connectionist Temporal Classification, 2006, equations 5 to 8.
"""

from collections.abc import Sequence

import numpy as np

from inference.decoding.alignment import emitted, may_skip

NEVER = -np.inf


def log_likelihoods(log_probs: np.ndarray, texts: Sequence[Sequence[int]], blank: int) -> list[float]:
    """Of each of `texts`, natural logarithms; minus infinity where one does not fit into the frames.

    log_probs: float32 (frames, tokens), natural logarithms. texts: tokens of each. Spaces among them must have been said: were
    they free, letters that are words would be the likeliest text of anything.
    """
    num_states = np.array([2 * len(ids) + 1 for ids in texts])
    width = int(num_states.max(initial=1))
    said = np.full((len(log_probs), len(texts), width), NEVER, dtype=np.float32)
    skips = np.full((len(texts), width), NEVER, dtype=np.float32)
    for row, ids in enumerate(texts):
        said[:, row, : num_states[row]] = emitted(log_probs, ids, blank)
        skips[row, : num_states[row]][may_skip(ids)] = 0.0
    scores = _summed(said, skips)
    rows = np.arange(len(texts))
    last = scores[rows, num_states - 1]
    before = np.where(num_states > 1, scores[rows, np.maximum(num_states, 2) - 2] if width > 1 else NEVER, NEVER)
    total: list[float] = np.logaddexp(last, before).tolist()
    return total


def _summed(said: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """float32 (texts, states): of all ways that end in a state in the last frame."""
    scores = np.full(skips.shape, NEVER, dtype=np.float32)
    scores[:, :2] = said[0, :, :2]
    for frame in said[1:]:
        stayed = scores.copy()
        stayed[:, 1:] = np.logaddexp(stayed[:, 1:], scores[:, :-1])
        stayed[:, 2:] = np.logaddexp(stayed[:, 2:], scores[:, :-2] + skips[:, 2:])
        scores = stayed + frame
    return scores
