import math
from pathlib import Path

import numpy as np
import pytest

from inference.decoding.beam import BeamDecoder
from inference.decoding.decoded import NOTHING, Decoded, Word
from inference.decoding.language_model import LanguageModel
from inference.decoding.spelling import Speller
from inference.decoding.tokens import Tokens
from inference.decoding.word_search import WordSearch
from tests.inference.decoding.frames import LETTERS, frames, noisy, num_stable_words, spoken
from tests.inference.decoding.lm_of import lm_of

PIECES = Tokens(["\u2581the", "\u2581c", "at", "ut", "\u2581cat"])


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return lm_of(tmp_path_factory.mktemp("lm") / "pets", "the cat", "the cat", "the cat", "a cut", "a", "an", "cat")


def opened(model: LanguageModel, *hotwords: str, tokens: Tokens = LETTERS) -> BeamDecoder:
    return BeamDecoder(WordSearch(model, Speller(tokens), hotwords), 40)


def heard(decoder: BeamDecoder, log_probs: np.ndarray, step: int = 5) -> Decoded:
    for first in range(0, len(log_probs), step):
        decoder.push(log_probs[first : first + step])
    return decoder.finish()


def a_or_u(prob: float) -> np.ndarray:
    """ "the cat" or "the cut": `prob` for the a, what is left for the u."""
    rows: list[dict[str, float]] = [{letter: 0.98} for letter in "the c"]
    return frames(LETTERS, [*rows, {"a": prob, "u": 0.98 - prob}, {"t": 0.98}])


@pytest.mark.parametrize(("lm_weight", "expected"), [(0.0, "the cut"), (0.2, "the cut"), (0.5, "the cat"), (1.0, "the cat")])
def test_the_language_model_changes_what_was_heard_by_its_weight(tmp_path: Path, lm_weight: float, expected: str) -> None:
    """The turning point by hand: the a was heard as 0.3, the u as 0.68; the n-grams say how much likelier a cat is."""
    model = lm_of(tmp_path / "pets", "the cat", "the cat", "the cat", "a cut", "a", "an", "cat", lm_weight=lm_weight)
    cat, cut = (model.log_probs(["the", word]) for word in ("cat", "cut"))
    turning_point = math.log(0.68 / 0.3) / (sum(cat) - sum(cut))
    assert 0.2 < turning_point < 0.5

    assert heard(opened(model), a_or_u(0.3)).text == expected


def test_nothing_but_words_of_the_lexicon_is_written(pets: LanguageModel) -> None:
    assert heard(opened(pets), spoken(LETTERS, "_thu_ _c_att_")).text == "the cat"


def test_a_missing_space_and_tokens_that_are_held_do_not_hide_words(pets: LanguageModel) -> None:
    assert heard(opened(pets), spoken(LETTERS, "tthheecccattt")).text == "the cat"


def test_words_have_times_and_confidences(pets: LanguageModel) -> None:
    assert heard(opened(pets), spoken(LETTERS, "_the_ __cat__")).words == (Word("the", 40, 160, 0.9), Word("cat", 320, 440, 0.9))


def test_pieces_that_begin_words_are_searched_too(pets: LanguageModel) -> None:
    log_probs = np.log(np.array([[0.9, 0.02, 0.02, 0.02, 0.02, 0.02], [0.05, 0.8, 0.05, 0.04, 0.03, 0.03]] * 2, dtype=np.float32))
    log_probs[[2, 3]] = np.log(np.array([[0.02, 0.02, 0.3, 0.6, 0.03, 0.03], [0.02] * 5 + [0.9]], dtype=np.float32))

    assert heard(opened(pets, tokens=PIECES), log_probs).text == "the cut"


def test_frames_one_by_one_say_the_same_as_all_at_once(pets: LanguageModel) -> None:
    for seed in range(5):
        assert heard(opened(pets), noisy(seed), 1) == heard(opened(pets), noisy(seed), 60)


def test_what_was_stable_stays(pets: LanguageModel) -> None:
    assert sum(num_stable_words(opened(pets), noisy(seed)) for seed in range(20)) > 20


def test_a_word_that_is_being_said_is_shown_as_far_as_it_goes(pets: LanguageModel) -> None:
    decoder = opened(pets)
    decoder.push(spoken(LETTERS, "the c"))

    assert decoder.partial().text == "the c"


def test_in_a_pause_the_beam_is_not_read_again(pets: LanguageModel) -> None:
    decoder = opened(pets)
    decoder.push(spoken(LETTERS, "the ca__", prob=0.99))
    before = decoder.partial()

    decoder.push(spoken(LETTERS, "___", prob=0.99))
    assert decoder.partial() is before
    decoder.push(spoken(LETTERS, "_t", prob=0.99))
    assert (before.text, decoder.partial().text) == ("the ca", "the cat")


def test_frames_behind_the_end_of_the_segment_do_not_count(pets: LanguageModel) -> None:
    decoder = opened(pets)
    decoder.push(spoken(LETTERS, "_the_  cat"))

    assert decoder.finish(6) == heard(opened(pets), spoken(LETTERS, "_the_ "))


def test_nothing_heard_is_nothing(pets: LanguageModel) -> None:
    decoder = opened(pets)
    decoder.push(spoken(LETTERS, ""))

    assert (decoder.partial(), decoder.finish(), heard(opened(pets), spoken(LETTERS, "____")).text) == (NOTHING, NOTHING, "")


def test_a_hotword_of_the_lexicon_is_preferred(pets: LanguageModel) -> None:
    assert (heard(opened(pets), a_or_u(0.4)).text, heard(opened(pets, "Cut"), a_or_u(0.4)).text) == ("the cat", "the cut")


def test_a_hotword_that_no_lexicon_knows_is_heard(pets: LanguageModel) -> None:
    log_probs = spoken(LETTERS, "the mac_chiato", prob=0.7)

    assert heard(opened(pets, "macchiato"), log_probs).text == "the macchiato"
    assert "macchiato" not in heard(opened(pets), log_probs).text


def test_a_hotword_that_was_not_said_is_not_written(pets: LanguageModel) -> None:
    assert heard(opened(pets, "cut", "macchiato"), a_or_u(0.97)).text == "the cat"


def test_streams_do_not_see_each_others_hotwords(pets: LanguageModel) -> None:
    with_it, without = opened(pets, "macchiato"), opened(pets)
    for frame in spoken(LETTERS, "the mac_chiato", prob=0.7):
        with_it.push(frame[None])
        without.push(frame[None])

    assert with_it.finish().text == "the macchiato"
    assert "macchiato" not in without.finish().text


def test_a_hotword_is_heard_though_it_is_given_with_marks_that_nobody_says(pets: LanguageModel) -> None:
    assert heard(opened(pets, "Macchiato!"), spoken(LETTERS, "the mac_chiato", prob=0.7)).text == "the macchiato"


def test_the_log_names_words_of_the_lexicon_that_cannot_be_written_and_never_a_hotword(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = lm_of(tmp_path / "cafes", "the caf\u00e9")

    opened(model)
    opened(model, "Ren\u00e9e")

    assert caplog.messages == ["language model cafes: the model cannot write 1 words: caf\u00e9"]
