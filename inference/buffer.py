"""The audio of a stream that is still needed, and where it is quietest. Positions are absolute sample numbers at 16 kHz."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.audio import FULL_SCALE_16, SAMPLES_PER_MS, to_samples

ROOM_SAMPLES: Final = to_samples(1000)
SLACK_SAMPLES: Final = to_samples(750)
"""So much memory in front of what is needed is given back: thousands of quiet streams shall stay small."""
PACK_SAMPLES: Final = to_samples(512)
"""Less is not worth the work; of more, no more than this is kept although it is not needed."""
LARGEST_STEP: Final = 127
MAX_LEAPS: Final = PACK_SAMPLES // 8
"""With more the eight bits save too little."""


@dataclass(slots=True)
class _Packed:
    """The samples [first, end). Where it is quiet the steps from one to the next fit in eight bits, but for a few.

    data: int8 (num_samples - 1,), the steps, with 0 for a leap, or int16 (num_samples,), the samples. leaps: int16
    (2, num_leaps), the places and sizes of the larger steps.
    """

    first: int
    end: int
    start: np.int16
    data: np.ndarray
    leaps: np.ndarray | None = None

    @classmethod
    def of(cls, samples: np.ndarray, first: int) -> "_Packed":
        """int16 (num_samples,), no more than PACK_SAMPLES."""
        end, start = first + len(samples), samples[0]
        steps = samples[1:] - samples[:-1]  # beyond 16 bits it wraps, and does so again when they are added up
        if steps.max(initial=0) <= LARGEST_STEP and steps.min(initial=0) >= -LARGEST_STEP:
            return cls(first, end, start, steps.astype(np.int8))
        places = np.flatnonzero((steps > LARGEST_STEP) | (steps < -LARGEST_STEP))
        if len(places) > MAX_LEAPS:
            return cls(first, end, start, samples.copy())
        leaps = np.stack([places.astype(np.int16), steps[places]])
        steps[places] = 0
        return cls(first, end, start, steps.astype(np.int8), leaps)

    @property
    def num_bytes(self) -> int:
        return self.data.nbytes + (self.leaps.nbytes if self.leaps is not None else 0)

    def unpack(self, out: np.ndarray) -> None:
        """int16 (end - first,)."""
        if self.data.dtype == np.int16:
            out[:] = self.data
            return
        out[0] = self.start
        out[1:] = self.data
        if self.leaps is not None:
            out[1 + self.leaps[0]] = self.leaps[1]
        np.cumsum(out, out=out)


class AudioBuffer:
    """The samples [first, end) of a stream; older ones were dropped.

    They lie in one piece of memory with room behind them. When it is used up they move to a new one, so that what was read
    before stays as it was. `has_16_bits`: every sample is a whole multiple of 1/32768, and is kept in two bytes, or, packed, in
    fewer.
    """

    __slots__ = ("_memory", "_origin", "_packed", "end", "first", "has_16_bits")

    def __init__(self, first: int, *, has_16_bits: bool = False) -> None:
        self.first = first
        self.end = first
        self.has_16_bits = has_16_bits
        self._origin = first
        self._memory = np.empty(0, dtype=np.int16 if has_16_bits else np.float32)
        self._packed: deque[_Packed] = deque()  # what lies before `_origin`

    @property
    def num_bytes(self) -> int:
        """Of memory."""
        return self._memory.nbytes + sum(piece.num_bytes for piece in self._packed)

    def append(self, audio: np.ndarray) -> None:
        """float32 (num_samples,), or int16 where samples are kept so."""
        if self.end - self._origin + len(audio) > len(self._memory):
            self._move(len(audio) + self._room(len(audio)))
        place = slice(self.end - self._origin, self.end - self._origin + len(audio))
        if self.has_16_bits and audio.dtype != np.int16:
            np.multiply(audio, FULL_SCALE_16, out=self._memory[place], casting="unsafe")
        else:
            self._memory[place] = audio
        self.end += len(audio)

    def _room(self, num_more: int) -> int:
        """Behind the next `num_more`: so that what comes in small pieces, and a long segment, is not moved often."""
        return 0 if num_more >= ROOM_SAMPLES else max(ROOM_SAMPLES, (self.end - self._needed) // 4)

    @property
    def _needed(self) -> int:
        """The first sample in memory, not packed, that is needed."""
        return max(self.first, self._origin)

    def _move(self, num_more: int) -> None:
        """Into new memory for what is needed and `num_more`."""
        first = self._needed
        kept = self._memory[first - self._origin : self.end - self._origin]
        self._memory = np.empty(len(kept) + num_more, dtype=kept.dtype)
        self._memory[: len(kept)] = kept
        self._origin = first

    def read(self, start: int, end: int) -> np.ndarray:
        """float32 (end - start,): the samples [start, end), which must not have been dropped."""
        kept = self.peek(start, end)
        return np.multiply(kept, np.float32(1 / FULL_SCALE_16), dtype=np.float32) if self.has_16_bits else kept

    def peek(self, start: int, end: int) -> np.ndarray:
        """As they are kept, float32 or int16, and only until more is appended."""
        assert self.first <= start <= end <= self.end
        if start < self._origin:
            self._unpack()
        return self._memory[start - self._origin : end - self._origin]

    def drop_before(self, position: int) -> None:
        self.first = max(self.first, position)
        while self._packed and self._packed[0].end <= self.first:
            self._packed.popleft()
        if self.first - self._origin >= SLACK_SAMPLES:
            self._move(0)

    def skip_to(self, first: int, end: int) -> None:
        """Nothing that came is needed any more; [first, end) is silence, and what comes next lies behind it."""
        self.first = self._origin = first
        self.end = end
        self._memory = np.zeros(end - first, dtype=self._memory.dtype)
        self._packed.clear()

    def pack(self, end: int) -> None:
        """Keep what lies before `end` in less memory, where that can be had; it is not likely to be read soon."""
        if not self.has_16_bits or end - self._needed < PACK_SAMPLES:
            return
        for first in range(self._needed, end, PACK_SAMPLES):
            piece = self._memory[first - self._origin : min(first + PACK_SAMPLES, end) - self._origin]
            self._packed.append(_Packed.of(piece, first))
        self._memory = self._memory[end - self._origin : self.end - self._origin].copy()
        self._origin = end

    def _unpack(self) -> None:
        first = self._packed[0].first
        memory = np.empty(self.end - first, dtype=np.int16)
        for piece in self._packed:
            piece.unpack(memory[piece.first - first : piece.end - first])
        memory[self._origin - first :] = self._memory[: self.end - self._origin]
        self._memory, self._origin = memory, first
        self._packed.clear()


def quietest(audio: np.ndarray) -> int:
    """Middle of the quietest 100 ms of `audio`, in samples from its start."""
    width = 100 * SAMPLES_PER_MS
    if len(audio) <= width:
        return len(audio) // 2
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    return int(np.argmin(energy[width:] - energy[:-width])) + width // 2
