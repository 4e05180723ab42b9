import math
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest

from inference.decoding.decoded import NOTHING, Decoded
from inference.decoding.greedy import GreedyDecoder
from inference.decoding.language_model import LanguageModel
from inference.decoding.prefix import PrefixDecoder
from inference.decoding.spelling import Speller
from inference.decoding.token_scores import TokenScores
from inference.decoding.tokens import Tokens
from tests.inference.decoding.frames import LETTERS, frames, noisy, num_stable_words, spoken
from tests.inference.decoding.lm_of import lm_of

TWO = Tokens(["a", "b"])


def opened(*hotwords: str, model: LanguageModel | None = None, tokens: Tokens = LETTERS) -> PrefixDecoder:
    return PrefixDecoder(TokenScores(Speller(tokens), model, hotwords), 40)


def heard(decoder: PrefixDecoder, log_probs: np.ndarray, step: int = 5) -> Decoded:
    for first in range(0, len(log_probs), step):
        decoder.push(log_probs[first : first + step])
    return decoder.finish()


def likeliest(log_probs: np.ndarray) -> str:
    """Of all texts of a and b: the sum over all ways to write each."""
    totals: dict[str, float] = {}
    for way in product(range(3), repeat=len(log_probs)):
        text = "".join("ab"[token] for token, _run in groupby(way) if token != TWO.blank)
        totals[text] = totals.get(text, 0.0) + math.exp(sum(log_probs[frame, token] for frame, token in enumerate(way)))
    return max(totals, key=totals.__getitem__)


def test_the_likeliest_text_is_found_over_all_ways_to_write_it() -> None:
    differs = 0
    for seed in range(30):
        log_probs = np.log(np.random.default_rng(seed).dirichlet([1, 1, 1], size=6)).astype(np.float32)
        greedy = GreedyDecoder(TWO, 40)
        greedy.push(log_probs)
        assert heard(opened(tokens=TWO), log_probs).text == likeliest(log_probs)
        differs += greedy.finish().text != likeliest(log_probs)
    assert differs > 3


def a_or_u(prob: float) -> np.ndarray:
    rows: list[dict[str, float]] = [{letter: 0.98} for letter in "the c"]
    return frames(LETTERS, [*rows, {"a": prob, "u": 0.98 - prob}, {"t": 0.98}])


@pytest.mark.parametrize(
    ("hotwords", "expected"),
    [
        ((), "the cat"),
        (("cut",), "the cut"),
        (("CUT",), "the cut"),
        (("the cut",), "the cut"),
        (("cu",), "the cat"),  # a word of its own, not the beginning of another one
        (("cuttlefish",), "the cat"),  # begun, not said
        (("cut", "cat"), "the cat"),
    ],
)
def test_hotwords_are_preferred_where_they_are_whole(hotwords: tuple[str, ...], expected: str) -> None:
    assert heard(opened(*hotwords), a_or_u(0.6)).text == expected


def test_a_hotword_that_was_not_said_is_not_written() -> None:
    assert heard(opened("cut"), a_or_u(0.97)).text == "the cat"


def test_streams_do_not_see_each_others_hotwords() -> None:
    with_it, without = opened("cut"), opened()
    for frame in a_or_u(0.6):
        with_it.push(frame[None])
        without.push(frame[None])

    assert (with_it.finish().text, without.finish().text) == ("the cut", "the cat")


def test_frames_one_by_one_say_the_same_as_all_at_once() -> None:
    for seed in range(2):
        assert heard(opened("on", "a b"), noisy(seed), 1) == heard(opened("on", "a b"), noisy(seed), 60)


def test_what_was_stable_stays() -> None:
    """Of two letters and a space hardly anything is certain, and words end often."""
    tokens = Tokens(["\u2581", "a", "b"])

    found = [num_stable_words(opened("ab", tokens=tokens), noisy(seed, tokens, spread=1.0)) for seed in range(6)]

    assert sum(found) > 20


def test_frames_behind_the_end_of_the_segment_do_not_count() -> None:
    decoder = opened("cut")
    decoder.push(spoken(LETTERS, "_the_  cat"))

    assert decoder.finish(6) == heard(opened("cut"), spoken(LETTERS, "_the_ "))


def test_nothing_heard_is_nothing() -> None:
    assert (opened("cut").partial().text, opened("cut").finish()) == ("", NOTHING)


@pytest.fixture
def pets(tmp_path: Path) -> LanguageModel:
    return lm_of(tmp_path / "pets", "the cut", "the cut", "the cut", "a cat", is_closed=False, lm_weight=1.0, unknown_score=-3.0)


def test_a_language_model_that_is_open_changes_words(pets: LanguageModel) -> None:
    assert heard(opened(model=pets), a_or_u(0.6)).text == "the cut"


def test_a_language_model_that_is_open_lets_other_words_through(pets: LanguageModel) -> None:
    assert heard(opened(model=pets), spoken(LETTERS, "the cow")).text == "the cow"


def test_words_that_it_does_not_know_are_less_likely_by_the_price_that_it_says(pets: LanguageModel) -> None:
    log_probs = frames(LETTERS, [*({letter: 0.98} for letter in "the cu"), {"t": 0.3, "d": 0.6}])

    assert (heard(opened(), log_probs).text, heard(opened(model=pets), log_probs).text) == ("the cud", "the cut")


@pytest.mark.parametrize("faintly", [1e-6, 0.01])
def test_a_letter_that_was_faintly_heard_long_ago_is_not_settled_as_soon_as_it_is_said(faintly: float) -> None:
    """The hotword is behind at its first letter, and would be dropped there if the other text were."""
    before: list[dict[str, float]] = [{"_": 0.9, "c": faintly}, *[{"_": 0.97}] * 40]
    log_probs = frames(LETTERS, [*before, {"c": 0.75, "k": 0.15}, {"a": 0.9}, {"t": 0.9}])

    assert heard(opened("kat"), log_probs).text == "kat"
