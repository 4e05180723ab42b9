"""Log-mels as of speakers with a longer or shorter vocal tract: their frequencies stretched or squeezed, their pace kept.

Source: L. Lee and R. Rose 1996, "Speaker normalization using efficient frequency warping procedures"; Jaitly and Hinton 2013,
"Vocal tract length perturbation improves speech recognition". Mel scale: M. Slaney 1998, Auditory Toolbox.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.audio import SAMPLE_RATE_HZ

MAX_WARP: Final = 0.1
LINEAR_HZ: Final = 200 / 3
"""Of a mel below 1 kHz; above, 27 mels are a factor of 6.4."""
CORNER_HZ: Final = 1000.0
LOG_MELS: Final = 27 / np.log(6.4)


def to_mels(hz: np.ndarray) -> np.ndarray:
    corner = CORNER_HZ / LINEAR_HZ
    return np.asarray(np.where(hz < CORNER_HZ, hz / LINEAR_HZ, corner + LOG_MELS * np.log(np.maximum(hz, 1.0) / CORNER_HZ)))


def to_hz(mels: np.ndarray) -> np.ndarray:
    corner = CORNER_HZ / LINEAR_HZ
    return np.asarray(np.where(mels < corner, mels * LINEAR_HZ, CORNER_HZ * np.exp((mels - corner) / LOG_MELS)))


def warped(mel: Tensor, factor: float) -> Tensor:
    """Each band as the one at `factor` times its frequency; the highest stands for what lies beyond.

    Args:
        mel: float32 (frames, mels), logarithms, of filters evenly spaced in mels from 0 to 8 kHz.
    """
    num_mels = mel.shape[1]
    step = to_mels(np.array(SAMPLE_RATE_HZ / 2)) / (num_mels + 1)
    bands = to_mels(to_hz((np.arange(num_mels) + 1) * step) * factor) / step - 1
    places = torch.from_numpy(np.clip(bands, 0, num_mels - 1)).to(mel.dtype)
    below = places.floor().long().clamp(max=num_mels - 2)
    share = places - below
    return mel[:, below] * (1 - share) + mel[:, below + 1] * share
