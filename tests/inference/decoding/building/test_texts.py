from pathlib import Path

import pytest

from inference.decoding.building.texts import Writing, read_lines, sentences
from inference.errors import LanguageModelError


@pytest.mark.parametrize(
    ("writing", "expected"),
    [
        ("lower", [["don't", "go"], ["it's", "5", "o'clock"]]),
        ("upper", [["DON'T", "GO"], ["IT'S", "5", "O'CLOCK"]]),
        ("as_is", [["Don\u2019t", "go!", "It's", "'5'", "o'clock"]]),
    ],
)
def test_text_is_written_as_the_model_writes(writing: Writing, expected: list[list[str]]) -> None:
    assert list(sentences(["Don\u2019t go! It's '5' o'clock \n", " \n"], writing)) == expected


def test_a_script_without_spaces_is_taken_letter_by_letter() -> None:
    assert list(sentences(["\u4f60\u597d\u3002OK \u5417"])) == [["\u4f60", "\u597d"], ["ok", "\u5417"]]


def test_words_that_mean_something_to_the_n_grams_are_left_out() -> None:
    assert list(sentences(["<s> one <unk> two </s>"], "as_is")) == [["one", "two"]]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xff\xfe")

    with pytest.raises(LanguageModelError, match="Expected text in UTF-8"):
        list(read_lines(tmp_path / "text"))
