import math
from pathlib import Path

import pytest

from inference.decoding import rescoring
from inference.decoding.decoder import open_decoder
from inference.decoding.likelihood import log_likelihoods
from inference.decoding.ngrams.compiled import Compiled
from inference.decoding.rescoring import Rescorer, worth_weighing
from inference.decoding.spelling import Speller
from inference.decoding.tokens import Tokens
from inference.errors import LanguageModelError
from tests.inference.decoding.frames import LETTERS, frames, spoken
from tests.inference.decoding.lm_of import lm_of

PETS = ("the cat", "the cat", "the cat", "a cut", "a", "an", "cat")
THE_C_T = frames(LETTERS, [*({letter: 0.98} for letter in "the c"), {"a": 0.3, "u": 0.68}, {"t": 0.98}])
SPELLER = Speller(LETTERS)


@pytest.mark.parametrize(("lm_weight", "expected"), [(0.1, "the cut"), (1.0, "the cat")])
def test_sounds_and_words_are_weighed_by_hand_checked_numbers(tmp_path: Path, lm_weight: float, expected: str) -> None:
    model = lm_of(tmp_path / "pets", *PETS, lm_weight=lm_weight)
    texts = ["the cut", "the cat"]
    sounds = log_likelihoods(THE_C_T, [SPELLER.phrase(text.split()) or () for text in texts], LETTERS.blank)
    assert sounds[0] - sounds[1] == pytest.approx(math.log(0.68 / 0.3), abs=0.01)
    weighed = [sound + lm_weight * sum(model.log_probs(text.split())) for sound, text in zip(sounds, texts, strict=True)]
    assert max(zip(weighed, texts, strict=True))[1] == expected

    assert Rescorer(model, SPELLER).best(THE_C_T, texts) == expected


def test_a_text_that_the_first_pass_lost_is_found(tmp_path: Path) -> None:
    model = lm_of(tmp_path / "pets", *PETS)

    assert Rescorer(model, SPELLER).best(THE_C_T, ["a cut"]) == "the cat"


def test_only_texts_that_may_still_win_are_weighed() -> None:
    assert worth_weighing([("the cat", -10.0), ("the cut", -14.9), ("a cut", -15.1)]) == ["the cat", "the cut"]
    assert worth_weighing([]) == []


def test_where_both_searches_agree_nothing_is_weighed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescoring, "log_likelihoods", None)
    rescorer = Rescorer(lm_of(tmp_path / "pets", *PETS), SPELLER)

    assert rescorer.best(spoken(LETTERS, "the cat", prob=0.999), ["the cat"]) == "the cat"


def test_hotwords_count_in_the_second_pass(tmp_path: Path) -> None:
    rescorer = Rescorer(lm_of(tmp_path / "pets", *PETS), SPELLER)
    heard = frames(LETTERS, [*({letter: 0.98} for letter in "the c"), {"a": 0.4, "u": 0.58}, {"t": 0.98}])

    assert (rescorer.best(heard, ["the cut"]), rescorer.best(heard, ["the cut"], [["cut"]])) == ("the cat", "the cut")


@pytest.mark.parametrize(("is_closed", "expected"), [(True, "the cat"), (False, "the cow")])
def test_words_that_nobody_knows_are_found_only_where_they_may_be_written(
    tmp_path: Path, *, is_closed: bool, expected: str
) -> None:
    model = lm_of(tmp_path / "pets", *PETS, is_closed=is_closed, unknown_score=-1.0)

    assert Rescorer(model, SPELLER).best(spoken(LETTERS, "the cow", prob=0.99), ["the cat"]) == expected


def test_a_live_text_is_replaced_by_a_better_one_at_the_end_and_times_are_those_of_the_new_one(tmp_path: Path) -> None:
    """With a single text in the search, "the hat" is lost as soon as something sounds more like a cat. The n is there because a
    text that is the likeliest without any language model is left alone."""
    rows: list[dict[str, float]] = [{"t": 0.9}, {"n": 0.5, "h": 0.4}, {"e": 0.9}, {" ": 0.9}, {"c": 0.52, "h": 0.45}]
    heard = frames(LETTERS, [*rows, *({letter: 0.9} for letter in "at on")])
    lines = ["the hat on"] * 9 + ["the cat", "the cat", "the cat", "on"]

    def text_of(num_rescored: int) -> tuple[str, list[tuple[str, int]]]:
        model = lm_of(tmp_path / str(num_rescored), *lines, beam_size=1, num_rescored=num_rescored, lm_weight=0.5)
        decoder = open_decoder(LETTERS, 40, model)
        decoder.push(heard)
        said = decoder.finish()
        return said.text, [(word.text, word.start_ms) for word in said.words]

    assert text_of(0)[0] == "the cat on"
    assert text_of(8) == ("the hat on", [("the", 0), ("hat", 160), ("on", 320)])


def test_what_was_written_byte_by_byte_is_weighed_though_no_pieces_spell_it(tmp_path: Path) -> None:
    tokens = Tokens(["<0xC3>", "<0xA9>", "\u2581the", "\u2581", "c"])
    decoder = open_decoder(tokens, 40, lm_of(tmp_path / "pets", *["the c\u00e9"] * 9, is_closed=False))
    decoder.push(frames(tokens, [{"\u2581the": 0.4, "_": 0.59}, {" ": 0.99}, {"c": 0.99}, {"<0xC3>": 0.99}, {"<0xA9>": 0.99}]))

    assert decoder.finish().text == "the c\u00e9"


def test_pieces_that_begin_words_are_rescored_too(tmp_path: Path) -> None:
    tokens = Tokens(["<unk>", "<s>", "\u2581the", "\u2581c", "at", "ut", "<0x41>"])
    model = lm_of(tmp_path / "pets", *PETS)
    heard = frames(tokens, [{"\u2581the": 0.9}, {"\u2581c": 0.9}, {"ut": 0.5, "at": 0.4}, {"_": 0.9}])

    assert Rescorer(model, Speller(tokens)).best(heard, ["the cut"]) == "the cat"


def test_n_grams_that_cannot_be_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lm_of(tmp_path / "pets", *PETS)
    (tmp_path / "damaged").write_bytes(b"not an n-gram")
    with (tmp_path / "damaged").open("rb") as damaged:
        monkeypatch.setattr(model, "compiled", Compiled(damaged))

    with pytest.raises(LanguageModelError, match="cannot be used for rescoring"):
        Rescorer(model, SPELLER)
