"""Where speech begins and where it is over, from one speech probability per frame. Pure state machine.

Two thresholds (hysteresis) keep a dip inside a word from ending it; a short click is not speech. Thresholds are those
that Silero VAD recommends. Source: snakers4/silero-vad `utils_vad.py` (VADIterator: threshold 0.5, -0.15), MIT.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from inference.audio import SAMPLES_PER_MS

FRAME_SAMPLES: Final = 512
FRAME_MS: Final = FRAME_SAMPLES // SAMPLES_PER_MS
START_PROB: Final = 0.5
STAY_PROB: Final = 0.35
MIN_SPEECH_FRAMES: Final = 3
NEAR_FRAMES: Final = 600 // FRAME_MS


class Turn(Enum):
    """What a frame changed."""

    NONE = auto()
    BEGAN = auto()
    OVER = auto()


@dataclass(slots=True)
class Endpointer:
    """Counts frames from 0. `began` and `last_voiced` are frame numbers of the speech that is going on or just ended.

    A candidate is a run of voiced frames that is still too short, or too far away, to be called speech.
    """

    endpoint_ms: int
    num_frames: int = 0
    began: int = 0
    last_voiced: int = 0
    is_speaking: bool = False
    _num_voiced: int = field(default=0)
    _near_frame: int | None = field(default=None)

    @property
    def has_candidate(self) -> bool:
        return self._num_voiced > 0 and self._is_near and not self.is_speaking

    @property
    def is_busy(self) -> bool:
        """Whether speech goes on or may have begun: every frame counts."""
        return self.is_speaking or self._num_voiced > 0

    @property
    def _is_near(self) -> bool:
        """Whether something near was heard since shortly before the candidate began: the first sound may precede its voice."""
        return self._near_frame is not None and self._near_frame >= self.began - NEAR_FRAMES

    def push(self, prob: float, *, is_near: bool = True) -> Turn:
        """Take the next frame's speech probability. `is_near`: it is loud enough to be meant for the microphone."""
        frame = self.num_frames
        self.num_frames += 1
        if is_near:
            self._near_frame = frame
        return self._while_speaking(frame, prob) if self.is_speaking else self._while_quiet(frame, prob)

    def skip(self, num_frames: int, last_near: int | None) -> None:
        """Take frames that hold no speech for sure; not while `is_busy`. `last_near`: the last of them that is near."""
        assert not self.is_busy
        if last_near is not None:
            self._near_frame = last_near
        self.num_frames += num_frames

    def _while_quiet(self, frame: int, prob: float) -> Turn:
        if prob < (START_PROB if self._num_voiced == 0 else STAY_PROB):
            self._num_voiced = 0
            return Turn.NONE
        if self._num_voiced == 0:
            self.began = frame
        self._num_voiced += 1
        self.last_voiced = frame
        if self._num_voiced < MIN_SPEECH_FRAMES or not self._is_near:
            return Turn.NONE
        self.is_speaking = True
        return Turn.BEGAN

    def _while_speaking(self, frame: int, prob: float) -> Turn:
        if prob >= STAY_PROB:
            self.last_voiced = frame
        elif (frame - self.last_voiced) * FRAME_MS >= self.endpoint_ms:
            self.stop()
            return Turn.OVER
        return Turn.NONE

    def stop(self) -> None:
        """The speech is over now, whatever the frames say (finalize, end)."""
        self.is_speaking = False
        self._num_voiced = 0
