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
STATE_SHAPE: Final = (2, 128)
LOUD_RMS: Final = 0.001


def _no_state() -> np.ndarray:
    return np.zeros(STATE_SHAPE, dtype=np.float32)


@dataclass(slots=True)
class VadState:
    """Of one stream. recurrent: float32 (2, 128)."""

    recurrent: np.ndarray = field(default_factory=_no_state)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in frames of one stream that follow each other.

    probs: of speech, in each frame. recurrent: float32 (num_frames, 2, 128): the state after each; None: there is none.
    """

    probs: list[float]
    recurrent: np.ndarray | None = None

    def move(self, state: VadState, num_frames: int) -> None:
        """Only the first `num_frames` of them count."""
        if self.recurrent is not None and num_frames:
            state.recurrent = self.recurrent[num_frames - 1].copy()  # a view would keep all in memory


class SpeechDetector(Protocol):
    def judge(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[Judged]:
        """Frames of each stream, all streams in one call. No state moves: whoever asks says how many of the frames count.

        Args:
            frames: float32 (num_frames, 576) of each stream: before each frame's 512 samples the 64 before it; mono, 16 kHz, in
                [-1, 1].
        """


class LevelVad:
    """Speech is whatever is loud. For the scripted engine, whose speech is a code and no voice."""

    def judge(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[Judged]:
        return [Judged([float(rms(frame[CONTEXT_SAMPLES:]) >= LOUD_RMS) for frame in run]) for run in frames]
