"""N-grams as arrays, and what KenLM wants of them: that each one's end is there too, and who has longer ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.decoding.ngrams.hashing import Index, keys_of

UNKNOWN: Final = b"<unk>"
NOTHING_LONGER: Final = np.float32(-0.0)
"""The weight of words that no longer n-gram begins with, where it is nothing; 0.0 of those that one does."""


@dataclass(frozen=True, slots=True)
class Level:
    """All n-grams of one length. words: uint32 (num, length), by their numbers in the vocabulary. log_probs, backoffs: float32
    (num,), decimal logarithms. Of the longest there are no backoffs: zeros."""

    words: np.ndarray
    log_probs: np.ndarray
    backoffs: np.ndarray

    @property
    def contexts(self) -> np.ndarray:
        """All words but the last."""
        return self.words[:, :-1]

    @property
    def ends(self) -> np.ndarray:
        """All words but the first."""
        return self.words[:, 1:]


@dataclass(frozen=True, slots=True)
class Ngrams:
    """vocabulary: in UTF-8, UNKNOWN first. levels: by length, from single words on, which are in the vocabulary's order."""

    vocabulary: tuple[bytes, ...]
    levels: tuple[Level, ...]


def completed(levels: Sequence[Level]) -> list[Level]:
    """The same with the ends that were pruned away, at least two lengths, and backoffs and log_probs signed as KenLM wants them:
    the probability of an n-gram that is the end of another one is positive.

    Source: https://github.com/kpu/kenlm/blob/master/lm/search_hashed.cc (AdjustLower, ActivateLowerMiddle), LGPL-2.1

    Raises:
        ValueError: the context of an n-gram is missing.
    """
    found = [Level(level.words, level.log_probs.copy(), level.backoffs.copy()) for level in levels]
    found += [_none_of(2)] if len(found) == 1 else []
    numbers = [len(level.words) for level in found]
    for length in range(len(found), 2, -1):
        found[length - 2] = _with_ends(found[length - 2], found[length - 1])
    for shorter, longer, number in zip(found, found[1:], numbers[1:], strict=False):
        _settle(shorter, longer, number)
    return found


def _none_of(length: int) -> Level:
    nothing = np.zeros(0, np.float32)
    return Level(np.zeros((0, length), np.uint32), nothing, nothing)


def _with_ends(shorter: Level, longer: Level) -> Level:
    """`shorter` with the ends of `longer` that it lacks behind it; their probability comes later."""
    keys = keys_of(longer.ends)
    missing = np.flatnonzero(Index(keys_of(shorter.words)).find(keys) < 0)
    _keys, first = np.unique(keys[missing], return_index=True)
    fresh = longer.ends[missing[first]]
    zeros = np.zeros(len(fresh), np.float32)
    return Level(
        np.concatenate([shorter.words, fresh]),
        np.concatenate([shorter.log_probs, zeros]),
        np.concatenate([shorter.backoffs, zeros]),
    )


def _settle(shorter: Level, longer: Level, num_known: int) -> None:
    """Give those of `longer` from `num_known` on their probability, and sign `shorter`, which is settled but for that."""
    index = Index(keys_of(shorter.words))
    contexts, ends = index.find(keys_of(longer.contexts)), index.find(keys_of(longer.ends))
    if (contexts[:num_known] < 0).any():
        place = int(np.argmax(contexts[:num_known] < 0))
        raise ValueError(f"the words before the last one of {longer.words.shape[1]}-gram {place + 1} are no n-gram themselves")
    weights = np.where(contexts < 0, np.float32(0), shorter.backoffs[contexts])
    longer.log_probs[num_known:] = (-np.abs(shorter.log_probs[ends]) + weights)[num_known:]
    has_longer = np.zeros(len(shorter.words), bool)
    has_longer[contexts[contexts >= 0]] = True
    shorter.backoffs[shorter.backoffs == 0] = NOTHING_LONGER
    shorter.backoffs[has_longer & (shorter.backoffs == 0)] = 0.0
    is_end = np.zeros(len(shorter.words), bool)
    is_end[ends] = True
    shorter.log_probs[:] = np.copysign(shorter.log_probs, np.where(is_end, np.float32(1), np.float32(-1)))
