"""Which words of a transcript are taken for names, and when one counts as heard."""

import pytest

from benchmarks.hotwords import has, names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The main exception was Josh Waitzkin.", ["Josh", "Waitzkin"]),
        ("He lives at the Al-Fayoum, his friend had said.", ["Al-Fayoum"]),
        ("Therefore, Earth's inclination is zero. Bob knows.", ["Earth"]),
        ("WHAT IS ALL CAPITALS NAMES NOBODY", []),
    ],
)
def test_names_are_words_with_a_capital_inside_a_sentence(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_a_name_counts_with_all_its_parts_and_with_a_genitive() -> None:
    assert has(["aristotle's", "works"], "Aristotle")
    assert has(["al", "fayoum"], "Al-Fayoum")
    assert not has(["al", "foyam"], "Al-Fayoum")
