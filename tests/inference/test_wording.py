"""How texts are compared: what counts as a word, and how many of them are wrong."""

import pytest

from inference.wording import word_error_rate, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("It's 5\u202fo\u2019clock\u2014now", ["its", "5", "oclock", "now"]),
        ("Grüße aus Köln", ["grüsse", "aus", "köln"]),
        ("今天天气很好。", ["今", "天", "天", "气", "很", "好"]),
        ("Grüße", ["grüsse"]),
        ("他用 iPhone 15 上网。", ["他", "用", "iphone", "15", "上", "网"]),
        ("ご飯を食べる", list("ご飯を食べる")),
        ("supercalifragilistic", ["supercalifragilistic"]),
        ("", []),
    ],
)
def test_case_punctuation_and_width_do_not_count(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b c d", 0.0), ("a x c d", 0.25), ("a c d", 0.25), ("a b b c d", 0.25), ("", 1.0), ("w x y z q", 1.25)],
)
def test_every_word_too_few_too_many_or_wrong_counts_once(text: str, expected: float) -> None:
    assert word_error_rate("a b c d", text) == expected
