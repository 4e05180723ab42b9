"""Speech probability of 32 ms frames, all streams in one call. The network is in `inference.silero`; its state is the stream's.

The network judges a beginning worse when it did not hear the quiet before it. Which frames it need not hear is for
`inference.gate` to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from inference.audio import rms

CONTEXT_SAMPLES: Final = 64
STATE_SHAPE: Final = (2, 1, 128)
LOUD_RMS: Final = 0.001


def _no_state() -> np.ndarray:
    return np.zeros(STATE_SHAPE, dtype=np.float32)


@dataclass(slots=True)
class VadState:
    """Of one stream. recurrent: float32 (2, 1, 128)."""

    recurrent: np.ndarray = field(default_factory=_no_state)


class SpeechDetector(Protocol):
    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        """Speech probability of one frame of each stream; the states move on.

        Args:
            frames: float32 (576,) each: the 64 samples before the frame and its 512; mono, 16 kHz, in [-1, 1].
        """

    def run_probabilities(self, frames: np.ndarray, state: VadState) -> list[float]:
        """Speech probabilities of frames of one stream, each of which follows the one before; its state moves on.

        Args:
            frames: float32 (num_frames, 576), each as above.
        """


class LevelVad:
    """Speech is whatever is loud. For the scripted engine, whose speech is a code and no voice."""

    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        return [float(rms(frame[CONTEXT_SAMPLES:]) >= LOUD_RMS) for frame in frames]

    def run_probabilities(self, frames: np.ndarray, state: VadState) -> list[float]:
        return self.probabilities(list(frames), [state] * len(frames))
