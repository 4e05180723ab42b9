"""The audio of a stream that is still needed, and where it is quietest. Positions are absolute sample numbers at 16 kHz."""

from typing import Final

import numpy as np

from inference.audio import FULL_SCALE_16, SAMPLES_PER_MS, to_samples

ROOM_SAMPLES: Final = to_samples(1000)
SLACK_SAMPLES: Final = to_samples(750)
"""So much memory in front of what is needed is given back: thousands of quiet streams shall stay small."""


class AudioBuffer:
    """The samples [first, end) of a stream; older ones were dropped.

    They lie in one piece of memory with room behind them. When it is used up they move to a new one, so that what was read
    before stays as it was. `has_16_bits`: every sample is a whole multiple of 1/32768, and is kept in two bytes.
    """

    __slots__ = ("_memory", "_origin", "end", "first", "has_16_bits")

    def __init__(self, first: int, *, has_16_bits: bool = False) -> None:
        self.first = first
        self.end = first
        self.has_16_bits = has_16_bits
        self._origin = first
        self._memory = np.empty(0, dtype=np.int16 if has_16_bits else np.float32)

    @property
    def num_bytes(self) -> int:
        """Of memory."""
        return int(self._memory.nbytes)

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
        return 0 if num_more >= ROOM_SAMPLES else max(ROOM_SAMPLES, (self.end - self.first) // 4)

    def _move(self, num_more: int) -> None:
        """Into new memory for what is needed and `num_more`."""
        first = self.first
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
        return self._memory[start - self._origin : end - self._origin]

    def drop_before(self, position: int) -> None:
        self.first = max(self.first, position)
        if self.first - self._origin >= SLACK_SAMPLES:
            self._move(0)

    def skip_to(self, first: int, end: int) -> None:
        """Nothing that came is needed any more; [first, end) is silence, and what comes next lies behind it."""
        self.first = self._origin = first
        self.end = end
        self._memory = np.zeros(end - first, dtype=self._memory.dtype)


def quietest(audio: np.ndarray) -> int:
    """Middle of the quietest 100 ms of `audio`, in samples from its start."""
    width = 100 * SAMPLES_PER_MS
    if len(audio) <= width:
        return len(audio) // 2
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    return int(np.argmin(energy[width:] - energy[:-width])) + width // 2
