"""The last samples of many, in eight bits each: what thousands of quiet streams keep, in case something is loud next.

What fits eight bits, as a quiet room does, is kept as it is. A piece that is louder is kept in the finest steps that fit, at
most 1/64 of its loudest sample wide: their error lies 35 dB below a noise of the same peak.
"""

from typing import Final

import numpy as np

PACKED_BITS: Final = 8


class SampleRing:
    """One piece of memory, so that thousands of rings leave no holes. `num_samples`: how many are in it, at most `capacity`."""

    __slots__ = ("_end", "_memory", "_pieces", "num_samples")

    def __init__(self, capacity: int) -> None:
        self._memory = np.zeros(capacity, dtype=np.int8)
        self._end = 0
        self._pieces: list[tuple[int, int]] = []  # (number of samples, bits that each was shortened by), the oldest first
        self.num_samples = 0

    def push(self, samples: np.ndarray) -> int:
        """`samples`: int16 (n,). Returns how many had to go, of the oldest."""
        capacity = len(self._memory)
        kept = samples[-capacity:]
        num_gone = max(0, self.num_samples + len(samples) - capacity)
        if len(kept):
            shift = _bits_too_many(kept)
            self._write((kept >> shift if shift else kept).astype(np.int8))
            self._pieces.append((len(kept), shift))
            self._forget(num_gone - len(samples) + len(kept))
        return num_gone

    def read(self) -> bytes:
        """All that there are, in order, as 16-bit samples, little-endian."""
        start = self._end - self.num_samples
        packed = (
            self._memory[start : self._end] if start >= 0 else np.concatenate((self._memory[start:], self._memory[: self._end]))
        )
        counts, shifts = zip(*self._pieces, strict=True) if self._pieces else ((), ())
        shift = np.repeat(np.array(shifts, dtype=np.int16), counts)
        return ((packed.astype(np.int16) << shift) + (1 << shift >> 1)).astype("<i2").tobytes()

    def _write(self, packed: np.ndarray) -> None:
        before_the_edge = len(self._memory) - self._end
        self._memory[self._end : self._end + len(packed)] = packed[:before_the_edge]
        if len(packed) > before_the_edge:
            self._memory[: len(packed) - before_the_edge] = packed[before_the_edge:]
        self._end = (self._end + len(packed)) % len(self._memory)
        self.num_samples += len(packed)

    def _forget(self, num_samples: int) -> None:
        """The oldest of them."""
        self.num_samples -= num_samples
        while num_samples:
            count, shift = self._pieces[0]
            if count > num_samples:
                self._pieces[0] = (count - num_samples, shift)
                return
            del self._pieces[0]
            num_samples -= count


def _bits_too_many(samples: np.ndarray) -> int:
    highest = max(int(samples.max()), ~int(samples.min()))
    return max(0, highest.bit_length() - (PACKED_BITS - 1))
