"""How KenLM finds words and n-grams: by 64-bit hashes, in tables where a full place means the next one."""

import struct
from typing import Final

import numpy as np

MURMUR: Final = 0xC6A4A7935BD1E995
OF_CONTEXT: Final = np.uint64(8978948897894561157)
OF_WORD: Final = np.uint64(17894857484156487943)
LOW_64: Final = 0xFFFF_FFFF_FFFF_FFFF
ROOM: Final = np.float32(1.5)
"""Places for each entry."""


def hash_of(word: bytes) -> int:
    """MurmurHash64A without a seed.

    Source: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash2.cpp, public domain
    """
    num_whole = len(word) // 8 * 8
    found = len(word) * MURMUR & LOW_64
    for (eight,) in struct.iter_unpack("<Q", word[:num_whole]):
        mixed = eight * MURMUR & LOW_64
        found = (found ^ (mixed ^ mixed >> 47) * MURMUR & LOW_64) * MURMUR & LOW_64
    if rest := word[num_whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * MURMUR & LOW_64
    found = (found ^ found >> 47) * MURMUR & LOW_64
    return found ^ found >> 47


def keys_of(words: np.ndarray) -> np.ndarray:
    """uint64 (num,), of n-grams uint32 (num, length). A single word's is its number.

    Source: https://github.com/kpu/kenlm/blob/master/lm/search_hashed.hh (CombineWordHash), LGPL-2.1
    """
    keys: np.ndarray = words[:, -1].astype(np.uint64)
    for column in range(words.shape[1] - 2, -1, -1):
        keys = keys * OF_CONTEXT ^ (words[:, column].astype(np.uint64) + np.uint64(1)) * OF_WORD
    return keys


class Index:
    """Where keys are."""

    def __init__(self, keys: np.ndarray) -> None:
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64 (num,); -1: it is not there."""
        if not len(self._sorted):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        return np.where(self._sorted[places] == keys, self._order[places], -1)


def num_places(num_entries: int) -> int:
    """Of a table."""
    return max(num_entries + 1, int(ROOM * np.float32(num_entries)))


def places_of(keys: np.ndarray, size: int) -> np.ndarray:
    """int64 (num,): where each entry lies in a table: at its key modulo the table's size, or at the next place that is free."""
    wished = (keys % np.uint64(size)).astype(np.int64)
    counting = np.arange(len(keys))
    while True:
        order = np.argsort(wished, kind="stable")
        placed = np.maximum.accumulate(np.maximum(wished[order], 0) - counting) + counting
        beyond = order[placed >= size]
        if not len(beyond):
            break
        wished[beyond] = -1  # before all others: they go on at the beginning
    places = np.empty(len(keys), np.int64)
    places[order] = placed
    return places
