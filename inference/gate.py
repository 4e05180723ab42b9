"""Which frames of a stream are worth showing to the voice activity network: an energy gate over an adaptive noise floor.

Quiet and steady noise are left out and cost nothing but their level. A frame is loud when it could begin speech (it is near
enough to the microphone) and stands out from the noise of the last seconds, or comes in the first two seconds; around it the
network hears everything, from two seconds before to half a second after, so that it knows the quiet that the speech stands out
from. To know what comes after it, a frame in the quiet waits for two seconds; nobody waits for it: the moment something is loud,
all that waited is judged.

The gate knows levels only, no audio and no speech; while speech goes on it is not asked. See docs/decisions/0007.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log10
from typing import Final

import numpy as np

from inference.audio import FULL_SCALE_16
from inference.endpointing import FRAME_MS, FRAME_SAMPLES

NEAR_DB: Final = -50.0
"""dBFS. The loudest 32 ms of speech into a microphone lie above; a talk in the next room, at its noise level, below."""
MARGIN_DB: Final = 6.0
"""What stands out: speech 10 dB above its noise does within its first sounds; a fan hardly ever."""
FLOOR_BELOW_NEAR_DB: Final = 6.0
"""How far below NEAR_DB the floor stops: what is lower is not loud anyway, and it has less far to rise."""
SMOOTH_FRAMES: Final = 3
"""The floor is compared with a mean of so many frames: low noise wavers from one to the next; speech is never shorter."""
LOOKBACK_FRAMES: Final = 2_000 // FRAME_MS
"""With one second the network, woken up, judged some beginnings half a second too early."""
HOLD_FRAMES: Final = 500 // FRAME_MS
FIRST_FRAMES: Final = 2_000 // FRAME_MS
"""What is near in them is loud: a stream may begin in the middle of a word, and the floor is not known yet."""
RISE_DB: Final = 3.0 * FRAME_MS / 1000
"""How much the floor rises in a frame at most: 3 dB a second. Any gap between words brings it down again."""
FALL: Final = 0.25
"""How much of the way down to a lower level the floor goes in a frame."""
FAINTEST_POWER: Final = 1e-12
FAINTEST_DB: Final = -120.0


def frame_powers(audio: np.ndarray, frame_samples: int = FRAME_SAMPLES) -> list[float]:
    """Mean square of each frame, 0 to 1.

    Args:
        audio: float32 (num_frames * frame_samples,) in [-1, 1], or int16, whose powers are the same to the last bit; mono.
        frame_samples: in 32 ms; 16 kHz unless said otherwise.
    """
    frames = audio.astype(np.float32, copy=False).reshape(-1, frame_samples)
    divisor = frame_samples * (FULL_SCALE_16**2 if audio.dtype == np.int16 else 1)
    return [total / divisor for total in np.vecdot(frames, frames).tolist()]


@dataclass(slots=True)
class Opening:
    """The frames [first, end) are to be heard. `loud`: the first of them that is loud."""

    first: int
    end: int
    loud: int


@dataclass(slots=True)
class EnergyGate:
    """Counts frames from 0, as the endpointer does; `num_frames`: how many were measured. `floor_db`: None before the first.

    near_db, margin_db: minus infinity holds the gate open.
    """

    near_db: float = NEAR_DB
    margin_db: float = MARGIN_DB
    num_frames: int = 0
    floor_db: float | None = None
    _near_power: float = field(init=False)
    _lowest_db: float = field(init=False)
    _recent: list[float] = field(default_factory=list)
    _openings: deque[Opening] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._near_power = 10 ** (self.near_db / 10)
        self._lowest_db = self.near_db - FLOOR_BELOW_NEAR_DB

    def measure(self, powers: Sequence[float]) -> list[int]:
        """Take the powers of the next frames. Returns the numbers of those that are near."""
        levels_db = self._levels_db(powers)
        floors_db = self._floors_db(levels_db)
        first, self.num_frames = self.num_frames, self.num_frames + len(powers)
        if max(powers, default=0.0) < self._near_power:
            return []
        near = [place for place, power in enumerate(powers) if power >= self._near_power]
        for place in near:
            if first + place < FIRST_FRAMES or levels_db[place] >= floors_db[place] + self.margin_db:
                self._open(first + place)
        return [first + place for place in near]

    @property
    def is_shut(self) -> bool:
        """Whether nothing is to be heard, as far as was measured and asked for."""
        return not self._openings

    def pass_over(self, num_frames: int, floor_db: float) -> None:
        """Frames that another gate has measured, which was shut all the time; its floor."""
        self.num_frames += num_frames
        self.floor_db = floor_db
        self._recent = []

    def is_open(self, frame: int) -> bool:
        """Whether the network has to judge `frame`; nobody asks for an earlier one afterwards."""
        opening = self._next_opening(frame)
        return opening is not None and opening.first <= frame

    def num_before_loud(self, frame: int) -> int:
        """How many frames, from `frame` on, the network has to judge only for the sake of what is loud after them."""
        opening = self._next_opening(frame)
        return max(0, opening.loud - frame) if opening is not None and opening.first <= frame else 0

    def num_skippable(self, frame: int, *, is_last: bool) -> int:
        """How many frames, from `frame` on, the network need never hear. `is_last`: nobody will wait for more frames."""
        opening = self._next_opening(frame)
        end = self.num_frames if is_last else self.num_frames - LOOKBACK_FRAMES
        return max(0, (end if opening is None else min(end, opening.first)) - frame)

    def _next_opening(self, frame: int) -> Opening | None:
        while self._openings and self._openings[0].end <= frame:
            self._openings.popleft()
        return self._openings[0] if self._openings else None

    def _levels_db(self, powers: Sequence[float]) -> list[float]:
        """What the floor is compared with, for each of the next frames. Once for each 32 ms of every stream, the quiet ones above
        all: what would be called for a frame costs more than what is computed."""
        num_first = SMOOTH_FRAMES - 1 - len(self._recent)
        levels_db = [self._first_level_db(power) for power in powers[:num_first]] if num_first else []
        if len(levels_db) == len(powers):
            return levels_db
        before, last = self._recent
        for power in powers[num_first:]:
            mean = (before + last + power) / SMOOTH_FRAMES
            before, last = last, power
            levels_db.append(10 * log10(mean) if mean > FAINTEST_POWER else FAINTEST_DB)
        self._recent = [before, last]
        return levels_db

    def _first_level_db(self, power: float) -> float:
        """Before there are three frames, of those that there are."""
        self._recent.append(power)
        mean = sum(self._recent) / len(self._recent)
        return 10 * log10(mean) if mean > FAINTEST_POWER else FAINTEST_DB

    def _floors_db(self, levels_db: Sequence[float]) -> list[float]:
        """Move the floor along the next frames, down fast and up slowly; where it is with each."""
        floors_db, floor_db, lowest_db = [], self.floor_db, self._lowest_db
        for level_db in levels_db:
            if floor_db is None:
                floor_db = level_db
            elif level_db < floor_db:
                floor_db += FALL * (level_db - floor_db)
            elif level_db < floor_db + RISE_DB:
                floor_db = level_db
            else:
                floor_db += RISE_DB
            if floor_db < lowest_db:
                floor_db = lowest_db
            floors_db.append(floor_db)
        self.floor_db = floor_db
        return floors_db

    def _open(self, frame: int) -> None:
        """Let everything around `frame` be heard."""
        first, end = max(0, frame - LOOKBACK_FRAMES), frame + 1 + HOLD_FRAMES
        if self._openings and self._openings[-1].end >= first:
            self._openings[-1].end = max(self._openings[-1].end, end)
        else:
            self._openings.append(Opening(first, end, frame))
