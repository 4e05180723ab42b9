"""N-grams in KenLM's own binary form, as its build_binary writes them ("probing"): mapped into memory, and not read.

Source: https://github.com/kpu/kenlm/blob/master/lm/binary_format.cc, vocab.cc and search_hashed.hh (the layout), LGPL-2.1
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from inference.decoding.ngrams.hashing import ROOM, hash_of, keys_of, num_places, places_of
from inference.decoding.ngrams.tables import Level, Ngrams, completed

MAGIC: Final = b"mmap lm http://kheafield.com/code format version 5\n\0"
SANITY: Final = struct.Struct("<56s3f3IQ")
FIXED: Final = struct.Struct("<B3xfI?3xI")
PROBING: Final = 0
HAS_WORDS: Final = True
WEIGHTS: Final = np.dtype([("log_prob", "<f4"), ("backoff", "<f4")])
MIDDLE: Final = np.dtype([("key", "<u8"), ("log_prob", "<f4"), ("backoff", "<f4")])
LONGEST: Final = np.dtype([("key", "<u8"), ("log_prob", "<f4")])
WORD: Final = np.dtype([("key", "<u8"), ("number", "<u4")])


def binary_parts(ngrams: Ngrams) -> Iterator[bytes]:
    """The file, in pieces: header, vocabulary, single words, longer n-grams, and the words themselves.

    Raises:
        ValueError: the context of an n-gram is missing.
    """
    levels = completed(ngrams.levels)
    yield _header([len(level.words) for level in levels])
    yield _vocabulary(ngrams.vocabulary)
    yield _single(levels[0])
    for level in levels[1:-1]:
        yield _table(MIDDLE, keys_of(level.words), {"log_prob": level.log_probs, "backoff": level.backoffs})
    longest = levels[-1]
    yield _table(LONGEST, keys_of(longest.words), {"log_prob": np.copysign(longest.log_probs, np.float32(-1))})
    yield b"".join(word + b"\0" for word in ngrams.vocabulary)


def _header(numbers: Sequence[int]) -> bytes:
    """numbers: of n-grams, by length."""
    sanity = SANITY.pack(MAGIC, 0.0, 1.0, -0.5, 1, 0xFFFF_FFFF, 0, 1)
    head = sanity + FIXED.pack(len(numbers), ROOM, PROBING, HAS_WORDS, 0) + struct.pack(f"<{len(numbers)}Q", *numbers)
    return head + bytes(-len(head) % 8)


def _vocabulary(words: Sequence[bytes]) -> bytes:
    """Of the unknown word there is no entry: who is not found is unknown."""
    keys = np.array([hash_of(word) for word in words[1:]], np.uint64)
    table = np.zeros(num_places(len(words)), WORD)
    places = places_of(keys, len(table))
    table["key"][places] = keys
    table["number"][places] = np.arange(1, len(words))
    return struct.pack("<2I", 0, len(words)) + table.tobytes()


def _single(level: Level) -> bytes:
    weights = np.zeros(len(level.words) + 1, WEIGHTS)
    weights["log_prob"][:-1], weights["backoff"][:-1] = level.log_probs, level.backoffs
    return weights.tobytes()


def _table(kind: np.dtype, keys: np.ndarray, columns: dict[str, np.ndarray]) -> bytes:
    table = np.zeros(num_places(len(keys)), kind)
    places = places_of(keys, len(table))
    for name, values in ({"key": keys} | columns).items():
        table[name][places] = values
    return table.tobytes()
