import pytest

from inference.decoding.spelling import Speller
from inference.decoding.tokens import Tokens
from tests.inference.decoding.frames import LETTERS

PIECES = ["<unk>", "\u2581", "\u2581a", "b", "c", "ab", "\u2581ab", "bc", "abc"]


def written(tokens: Tokens, word: str) -> list[str] | None:
    ids = Speller(tokens).spell(word)
    return None if ids is None else [tokens.pieces[token] for token in ids]


def test_letters_spell_a_word_and_a_space_stands_between_words() -> None:
    speller = Speller(LETTERS)

    assert [LETTERS.pieces[token] for token in speller.phrase(["ab", "c"]) or ()] == ["a", "b", "\u2581", "c"]


def test_without_scores_the_fewest_pieces_spell_a_word_from_its_start_on() -> None:
    assert written(Tokens(PIECES), "abc") == ["\u2581", "abc"]


def test_unigrams_spell_by_the_highest_sum_of_scores() -> None:
    assert written(Tokens(PIECES, [0, -9, -2, -3, -3, -3, -4, -1.5, -1]), "abc") == ["\u2581a", "bc"]


def test_pairs_are_merged_by_the_highest_score_first() -> None:
    # b and c merge before the start does with a; so "\u2581ab" and "c" are never looked at.
    assert written(Tokens(PIECES, [0, 0, -2, 0, 0, -9, -3, -1, -8], merges=True), "abc") == ["\u2581a", "bc"]


@pytest.mark.parametrize("tokens", [LETTERS, Tokens(PIECES), Tokens(PIECES, [-1.0] * 9, merges=True)])
def test_a_word_that_cannot_be_written_has_no_spelling(tokens: Tokens) -> None:
    speller = Speller(tokens)

    assert (speller.spell("a\u00e9"), speller.spell(""), speller.phrase(["a", "\u00e9"])) == (None, None, None)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["a", "'"], "don't"),
        (["A"], "DON'T"),
        (["a", "A"], "Don't"),
        (["<EOU>", "<0xC3>", "a"], "don't"),
        (["<unk>", "A"], "DON'T"),
    ],
)
def test_words_are_folded_to_the_only_case_that_the_model_writes(pieces: list[str], expected: str) -> None:
    assert Speller(Tokens(pieces)).folded("Don't") == expected


@pytest.mark.parametrize(
    ("hotword", "expected"),
    [
        ("Dr. Smith", "dr smith"),
        ("Anne-Marie", "anne marie"),
        ("O\u2019Brien", "o'brien"),
        ("\uff28ark!", "hark"),
        ("...", ""),
        ("<b>", "b"),
        ("", ""),
        ("caf\u00e9", "caf\u00e9"),
    ],
)
def test_marks_that_the_model_does_not_write_are_left_out_of_hotwords(hotword: str, expected: str) -> None:
    assert Speller(Tokens(["<unk>", *LETTERS.pieces, "'"])).words(hotword) == expected.split()


def test_marks_that_the_model_writes_stay_in_hotwords_and_apostrophes_that_it_does_not_write_join_letters() -> None:
    assert Speller(Tokens([*LETTERS.pieces, "-", "."])).words("St. Anne-Marie O'Brien") == ["st.", "anne-marie", "obrien"]


def test_letters_that_are_composed_of_two_are_found_where_the_model_has_them_as_one() -> None:
    assert Speller(Tokens([*LETTERS.pieces, "\u00fc"])).words("Mu\u0308ller") == ["m\u00fcller"]
