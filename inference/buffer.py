"""The audio of a stream that is still needed, and where it is quietest. Positions are absolute sample numbers at 16 kHz."""

from typing import Final

import numpy as np

from inference.audio import SAMPLES_PER_MS, to_samples

ROOM_SAMPLES: Final = to_samples(1000)


class AudioBuffer:
    """The samples [first, end) of a stream; older ones were dropped.

    They lie in one piece of memory with room behind them. When it is used up they move to a new one, so that what was read
    before stays as it was.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.end = first
        self._origin = first
        self._memory = np.zeros(ROOM_SAMPLES, dtype=np.float32)

    def append(self, audio: np.ndarray) -> None:
        if self.end - self._origin + len(audio) > len(self._memory):
            self._move(len(audio))
        place = self.end - self._origin
        self._memory[place : place + len(audio)] = audio
        self.end += len(audio)

    def _move(self, num_more: int) -> None:
        """Into new memory: about once a second, so that a quiet stream stays small and a long segment is not copied often."""
        kept = self.read(self.first, self.end)
        room = max(ROOM_SAMPLES, len(kept) // 4)
        self._memory = np.zeros(len(kept) + num_more + room, dtype=np.float32)
        self._memory[: len(kept)] = kept
        self._origin = self.first

    def read(self, start: int, end: int) -> np.ndarray:
        """A view of [start, end), which must not have been dropped."""
        assert self.first <= start <= end <= self.end
        return self._memory[start - self._origin : end - self._origin]

    def drop_before(self, position: int) -> None:
        self.first = max(self.first, position)


def quietest(audio: np.ndarray) -> int:
    """Middle of the quietest 100 ms of `audio`, in samples from its start."""
    width = 100 * SAMPLES_PER_MS
    if len(audio) <= width:
        return len(audio) // 2
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    return int(np.argmin(energy[width:] - energy[:-width])) + width // 2
