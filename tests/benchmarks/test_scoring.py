"""How transcripts are compared: case, marks and spacing do not count, everything else does."""

import pytest

from benchmarks.scoring import ErrorRate, edit_distance, units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("Don\u2019t  'quote' me.", ["don't", "quote", "me"]),
        ("Caf\u00e9 \uff21\uff22", ["caf\u00e9", "ab"]),
        ("42 is, 4.2 is not", ["42", "is", "4", "2", "is", "not"]),
        ("...", []),
    ],
)
def test_words_are_compared_without_case_and_marks(text: str, expected: list[str]) -> None:
    assert units(text, by_character=False) == expected


def test_chinese_is_compared_by_character() -> None:
    assert units("你好， 世界。", by_character=True) == ["你", "好", "世", "界"]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [("abc", "abc", 0), ("abc", "", 3), ("", "abc", 3), ("abc", "axc", 1), ("abc", "bc", 1), ("kitten", "sitting", 3)],
)
def test_distance_counts_the_fewest_edits(reference: str, hypothesis: str, distance: int) -> None:
    assert edit_distance(reference, hypothesis) == distance


def test_a_rate_weighs_clips_by_their_length() -> None:
    rate = ErrorRate()

    rate.add(["a"] * 9, ["a"] * 9)
    rate.add(["a"], ["b"])

    assert rate.percent == 10.0
