"""The last samples of many, most of them in eight bits: what thousands of quiet streams keep, in case something is loud next.

In a quiet room nearly every sample fits eight bits. Those that do not are kept beside, so that every sample comes out as it went
in: what is heard, and where it begins, does not depend on whether it was kept.
"""

from typing import Final, NamedTuple

import numpy as np

MANY_SHARE: Final = 4
"""If more than one in so many does not fit, a piece is kept beside as a whole: that is less than places and values."""


class _Beside(NamedTuple):
    """Samples of [first, end) that do not fit: their places after `first`, and their values; no places: all of them."""

    first: int
    end: int
    places: np.ndarray | None
    values: np.ndarray


class SampleRing:
    """One piece of memory, so that thousands of rings leave no holes. `num_samples`: how many are in it, at most its capacity."""

    __slots__ = ("_beside", "_memory", "_num_pushed", "num_samples")

    def __init__(self, capacity: int) -> None:
        self._memory = np.zeros(capacity, dtype=np.int8)
        self._num_pushed = 0
        self._beside: list[_Beside] = []
        self.num_samples = 0

    def push(self, samples: np.ndarray) -> int:
        """`samples`: int16 (n,). Returns how many had to go, of the oldest."""
        capacity = len(self._memory)
        num_gone = max(0, self.num_samples + len(samples) - capacity)
        self._num_pushed += max(0, len(samples) - capacity)
        kept = samples[-capacity:]
        low = kept.astype(np.int8)
        self._keep_beside(kept, np.flatnonzero(low != kept))
        self._write(low)
        self.num_samples += len(samples) - num_gone
        while self._beside and self._beside[0].end <= self._num_pushed - self.num_samples:
            del self._beside[0]
        return num_gone

    def read(self) -> bytes:
        """All that there are, in order, as 16-bit samples, little-endian."""
        first = self._num_pushed - self.num_samples
        start, end = first % len(self._memory), self._num_pushed % len(self._memory)
        is_round = self.num_samples > 0 and end <= start
        low = np.concatenate((self._memory[start:], self._memory[:end])) if is_round else self._memory[start:end]
        samples = low.astype("<i2")
        for beside in self._beside:
            places = np.arange(beside.end - beside.first) if beside.places is None else beside.places
            at = places + (beside.first - first)
            samples[at[at >= 0]] = beside.values[at >= 0]
        return samples.tobytes()

    def _keep_beside(self, kept: np.ndarray, places: np.ndarray) -> None:
        if len(places):
            has_many = len(places) > len(kept) // MANY_SHARE
            chosen = (None, kept.copy()) if has_many else (places.astype(np.int32), kept[places])
            self._beside.append(_Beside(self._num_pushed, self._num_pushed + len(kept), *chosen))

    def _write(self, low: np.ndarray) -> None:
        start = self._num_pushed % len(self._memory)
        before_the_edge = len(self._memory) - start
        self._memory[start : start + len(low)] = low[:before_the_edge]
        if len(low) > before_the_edge:
            self._memory[: len(low) - before_the_edge] = low[before_the_edge:]
        self._num_pushed += len(low)
