"""What the Emformer hears: mel power on a scale that is linear for soft sounds and logarithmic for loud ones, normalised.

The numbers of a stream are those of the whole utterance: `PendingFrames` keeps the audio that the next frames need still.

Source: pytorch/audio `src/torchaudio/pipelines/rnnt_pipeline.py` and `transforms/_transforms.py` (MelSpectrogram), BSD-2-Clause.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.emformer_rnnt.weights import Statistics
from inference.torchaudio_compat import functional

FRAME_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
HALF_SAMPLES: Final = FRAME_SAMPLES // 2
GAIN: Final = float(torch.iinfo(torch.int16).max) ** 2
"""It was trained on samples as 16-bit integers have them."""


class Features:
    """statistics: of the features that the network was trained on."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        num_mels = len(statistics.mean)
        self.window = torch.hann_window(FRAME_SAMPLES)
        self.filters: Tensor = functional.melscale_fbanks(
            HALF_SAMPLES + 1, 0.0, SAMPLE_RATE_HZ / 2, num_mels, SAMPLE_RATE_HZ, norm=None, mel_scale="htk"
        )

    def __call__(self, samples: Tensor) -> Tensor:
        """Of frames that lie 160 samples apart: (rows, 160 * frames + 240) → float32 (rows, frames, mels)."""
        frames = samples.unfold(-1, FRAME_SAMPLES, HOP_SAMPLES) * self.window
        power = torch.fft.rfft(frames).abs().square() @ self.filters * GAIN
        return (_compressed(power) - self.statistics.mean) * self.statistics.inverse_deviation


@dataclass(slots=True)
class PendingFrames:
    """The audio of one utterance beyond what was encoded. samples: from 200 before the middle of the next frame on; before the
    first frame, and behind the last one, the audio is mirrored. num_pushed: of all samples.
    """

    samples: np.ndarray
    num_pushed: int = 0

    @classmethod
    def empty(cls) -> "PendingFrames":
        return cls(np.zeros(0, dtype=np.float32))

    def push(self, audio: np.ndarray) -> None:
        """audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1]."""
        was_begun = self.is_begun
        self.samples = np.concatenate([self.samples, audio])
        self.num_pushed += len(audio)
        if self.is_begun and not was_begun:
            self.samples = np.concatenate([self.samples[HALF_SAMPLES:0:-1], self.samples])

    @property
    def is_begun(self) -> bool:
        """Whether there is so much audio that it can be mirrored before its beginning."""
        return self.num_pushed > HALF_SAMPLES

    @property
    def num_frames(self) -> int:
        """Of those that can be heard now."""
        return (
            (len(self.samples) - FRAME_SAMPLES) // HOP_SAMPLES + 1 if self.is_begun and len(self.samples) >= FRAME_SAMPLES else 0
        )

    def end(self) -> None:
        """No more audio comes: frames go on until the middle of one lies behind it."""
        if not self.is_begun:
            self.push(np.zeros(HALF_SAMPLES + 1 - self.num_pushed, dtype=np.float32))
        self.samples = np.concatenate([self.samples, self.samples[-2 : -2 - HALF_SAMPLES : -1]])

    def first(self, num_frames: int) -> np.ndarray:
        """What they hear."""
        return self.samples[: num_frames * HOP_SAMPLES + FRAME_SAMPLES - HOP_SAMPLES]

    def drop(self, num_frames: int) -> None:
        """They are encoded."""
        self.samples = self.samples[num_frames * HOP_SAMPLES :]


def _compressed(power: Tensor) -> Tensor:
    return torch.where(power > math.e, power.clamp(min=math.e).log(), power / math.e)
