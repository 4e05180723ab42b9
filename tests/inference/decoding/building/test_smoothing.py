from collections import Counter
from itertools import product

import pytest

from inference.decoding.building.counts import Ngram, count
from inference.decoding.building.smoothing import FALLBACK_DISCOUNTS, Estimate, discounts, estimate

TEXT = [line.split() for line in ("a b a c", "a b", "b a c a", "c", "a b a c", "d a b")]


def prob(estimates: list[Estimate], context: Ngram, word: str) -> float:
    """As a reader of the ARPA form finds it: the longest row that is there, times what was left over on the way to it."""
    context = context[max(0, len(context) - len(estimates) + 1) :]
    found = estimates[len(context)].probs.get((*context, word))
    if found is not None or not context:
        return found if found is not None else estimates[0].probs["<unk>",]
    return estimates[len(context)].backoffs.get(context, 1.0) * prob(estimates, context[1:], word)


def total(estimates: list[Estimate], context: Ngram) -> float:
    return sum(prob(estimates, context, ngram[0]) for ngram in estimates[0].probs)


def test_single_words_share_what_was_taken_from_them_with_the_unknown_one() -> None:
    # Words before: of a 1, of b 1, of </s> 2. Taken: 0.5, 0.5 and 1, of 4 in all; each of the 4 words gets a quarter of it.
    (single, _pairs) = estimate(count([["a", "b"], ["a"]], 2))

    assert single.probs == pytest.approx({("a",): 0.25, ("b",): 0.25, ("</s>",): 0.375, ("<unk>",): 0.125})


def test_pairs_are_what_was_counted_and_a_share_of_the_single_word() -> None:
    # After a: b once and </s> once; 0.5 is taken from each, so half is left over.
    (_single, pairs) = estimate(count([["a", "b"], ["a"]], 2))

    assert pairs.backoffs["a",] == pytest.approx(0.5)
    assert pairs.probs["a", "b"] == pytest.approx(0.25 + 0.5 * 0.25)
    assert pairs.probs["a", "</s>"] == pytest.approx(0.25 + 0.5 * 0.375)


@pytest.mark.parametrize("min_counts", [(), (1, 1, 2), (1, 2, 2)])
def test_what_may_follow_any_words_adds_up_to_one(min_counts: tuple[int, ...]) -> None:
    estimates = estimate(count(TEXT, 3), min_counts)
    contexts: list[Ngram] = [(), ("<s>",), ("a",), ("z",), *product(("<s>", "a", "b"), ("a", "c", "z"))]

    assert [total(estimates, context) for context in contexts] == pytest.approx([1.0] * len(contexts))


def test_texts_with_unknown_words_add_up_to_one_too() -> None:
    estimates = estimate(count([["a", "<unk>"], ["<unk>", "a"], ["b"]], 2))

    assert [total(estimates, context) for context in [(), ("<unk>",), ("b",)]] == pytest.approx([1.0] * 3)


def test_rare_rows_are_left_out_and_single_words_never() -> None:
    single, pairs, _triples = estimate(count(TEXT, 3), (1, 2, 2))

    assert ("d",) in single.probs
    assert ("d", "a") not in pairs.probs


def test_discounts_come_from_how_many_rows_were_counted_once_to_four_times() -> None:
    number_of = {1: 8, 2: 4, 3: 2, 4: 1}
    level: Counter[Ngram] = Counter({(str(times), str(n)): times for times, number in number_of.items() for n in range(number)})

    assert discounts(level) == pytest.approx((0.5, 2 - 3 * 0.5 * 2 / 4, 3 - 4 * 0.5 * 1 / 2))


def test_a_text_that_is_too_small_for_them_gets_fixed_ones() -> None:
    assert discounts(Counter({("a",): 1, ("b",): 7})) == FALLBACK_DISCOUNTS
