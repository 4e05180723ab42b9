"""Modified Kneser-Ney smoothing, interpolated: from counts to probabilities that add up to 1 after any words.

Source: S. F. Chen and J. Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, 1998, section 3; the
uniform distribution below the unigrams as in K. Heafield et al., Scalable Modified Kneser-Ney Language Model Estimation, 2013.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inference.decoding.building.counts import UNKNOWN, Counts, Ngram, adjusted

FALLBACK_DISCOUNTS: Final = (0.5, 1.0, 1.5)
"""Where a text is too small or too regular to estimate them, as a text of commands is."""
MAX_DISCOUNTED: Final = 3
"""Higher counts are discounted as this one."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The rows of one length. `probs`: of the last word after those before it. `backoffs`: by the words before, what is left
    over for words that never came after them."""

    probs: dict[Ngram, float]
    backoffs: dict[Ngram, float]


def estimate(counts: Counts, min_counts: Sequence[int] = ()) -> list[Estimate]:
    """counts: raw, by length. min_counts: by length, rows that occur less often are left out, never single words.

    min_counts must not fall with the length: a row is left out with all longer ones that it is part of.
    """
    found: list[Estimate] = []
    for length, level in enumerate(adjusted(counts), 1):
        least = min_counts[length - 1] if 1 < length <= len(min_counts) else 1
        kept = {ngram for ngram, number in counts[length - 1].items() if number >= least}
        found.append(_longer(level, kept, found[-1]) if found else _single(level))
    return found


def discounts(level: Counter[Ngram]) -> tuple[float, float, float]:
    """What is taken from rows that were counted once, twice, and more often."""
    number_of = Counter(number for number in level.values() if number <= MAX_DISCOUNTED + 1)
    if not all(number_of[times] for times in range(1, MAX_DISCOUNTED + 2)):
        return FALLBACK_DISCOUNTS
    share = number_of[1] / (number_of[1] + 2 * number_of[2])
    first, second, third = (times - (times + 1) * share * number_of[times + 1] / number_of[times] for times in (1, 2, 3))
    is_usable = 0 < first <= 1 and 0 < second <= 2 and 0 < third <= MAX_DISCOUNTED  # from no more than there is
    return (first, second, third) if is_usable else FALLBACK_DISCOUNTS


def _single(level: Counter[Ngram]) -> Estimate:
    """Single words; what is taken from them is shared by all words, the unknown one among them."""
    taken, total = discounts(level), sum(level.values())
    probs = {(UNKNOWN,): 0.0} | {ngram: (number - _discount(taken, number)) / total for ngram, number in level.items()}
    share = (1 - sum(probs.values())) / len(probs)
    return Estimate({ngram: prob + share for ngram, prob in probs.items()}, {})


def _longer(level: Counter[Ngram], kept: set[Ngram], shorter: Estimate) -> Estimate:
    taken, totals = discounts(level), _totals(level)
    seen = {ngram: (number - _discount(taken, number)) / totals[ngram[:-1]] for ngram, number in level.items() if ngram in kept}
    used: defaultdict[Ngram, float] = defaultdict(float)
    for ngram, prob in seen.items():
        used[ngram[:-1]] += prob
    backoffs = {context: max(0.0, 1 - prob) for context, prob in used.items()}
    probs = {ngram: prob + backoffs[ngram[:-1]] * shorter.probs[ngram[1:]] for ngram, prob in seen.items()}
    return Estimate(probs, backoffs)


def _totals(level: Counter[Ngram]) -> Counter[Ngram]:
    totals: Counter[Ngram] = Counter()
    for ngram, number in level.items():
        totals[ngram[:-1]] += number
    return totals


def _discount(taken: tuple[float, float, float], number: int) -> float:
    return taken[min(number, MAX_DISCOUNTED) - 1]
