from pathlib import Path

import pytest

from inference.decoding.tokens import Tokens
from inference.errors import WeightsError

LETTERS = Tokens(["\u2581", "a", "b"])
PIECES = Tokens(["<unk>", "\u2581can", "\u2581i", "not", "\u2581", "<0xC3>", "<0xA9>", "\u4f60", "\u597d", "\u3002"])


def test_a_bare_mark_is_a_space_and_spaces_at_the_ends_are_dropped() -> None:
    assert LETTERS.text([0, 1, 2, 0, 0, 2, 0]) == "ab b"


def test_a_mark_before_letters_starts_a_word() -> None:
    assert PIECES.text([1, 3, 2]) == "cannot i"


def test_the_blank_comes_after_the_last_piece_and_says_nothing() -> None:
    assert LETTERS.text([1, LETTERS.blank, 1]) == "aa"


def test_bytes_make_letters_and_unknown_makes_none() -> None:
    assert PIECES.text([0, 1, 5, 6, 0]) == "can\u00e9"


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(LETTERS, "ab"), (PIECES, "acinot\u4f60\u597d"), (Tokens(["\u2581THE", "'", "4", "\u0301", "<EOU>"]), "4eht\u0301")],
)
def test_letters_are_those_of_all_pieces_without_case_marks_and_what_stands_for_no_text(tokens: Tokens, expected: str) -> None:
    assert tokens.letters() == expected


def test_half_a_letter_is_shown_as_one_that_is_unknown() -> None:
    assert PIECES.text([1, 5, 2]) == "can\ufffd i"


def test_words_lie_between_the_spaces() -> None:
    assert LETTERS.groups([0, 1, 2, 0, 0, 2, 0]) == [slice(1, 3), slice(5, 6)]


def test_words_begin_at_marks() -> None:
    assert PIECES.groups([1, 3, 2]) == [slice(0, 2), slice(2, 3)]


def test_letters_of_a_script_without_spaces_are_words_and_marks_belong_to_the_one_before() -> None:
    assert PIECES.groups([7, 8, 9, 1]) == [slice(0, 1), slice(1, 3), slice(3, 4)]


@pytest.mark.parametrize(("ids", "expected"), [([], 0), ([1], 0), ([1, 0], 1), ([1, 0, 2], 1), ([0], 0)])
def test_a_word_is_complete_when_a_space_follows(ids: list[int], expected: int) -> None:
    assert LETTERS.num_complete(ids) == expected


def test_pieces_are_read_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("\u2581\r\na\n b\n", encoding="utf-8")

    assert Tokens.from_file(tmp_path / "tokens.txt").pieces == ("\u2581", "a", " b")


def test_a_mark_that_editors_put_before_the_first_line_is_none_of_its_piece(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("\u2581\na\n", encoding="utf-8-sig")

    assert Tokens.from_file(tmp_path / "tokens.txt").pieces == ("\u2581", "a")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "nothing"),
        (b"a\nb\na\n", "'a' more than once"),
        (b"a\n\nb\n", "an empty line"),
        (b"\n\n", "an empty line"),
        (b"\xff\n", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "tokens.txt").write_bytes(content)

    with pytest.raises(WeightsError, match=complaint):
        Tokens.from_file(tmp_path / "tokens.txt")


def test_what_stands_in_angle_brackets_says_nothing_but_brackets_alone_do() -> None:
    tokens = Tokens(["\u2581hi", "<EOU>", "<en-US>", "<", ">", "<>"])

    assert tokens.text([0, 1, 2, 3, 4, 5]) == "hi<><>"
