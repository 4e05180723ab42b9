import pytest

from inference.decoding.hotwords import Phrases


def gained(words: str, *phrases: str) -> float:
    """What a text of letters gains in all, 1 for each letter; no word ends before its text does."""
    tree = Phrases(phrases, lambda _letter: 1.0)
    progress, total = tree.start, 0.0
    for letter in words:
        progress, gain = tree.advance(progress, letter)
        total += gain
    return total + tree.end(progress)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", 3.0),  # all of it
        ("xabcx", 3.0),  # among others
        ("ab", 0.0),  # only begun
        ("abx", 0.0),  # begun, and something else followed
        ("ababc", 3.0),  # begun twice
        ("abcabc", 6.0),  # said twice
        ("xyz", 0.0),
    ],
)
def test_only_whole_phrases_gain(text: str, expected: float) -> None:
    assert gained(text, "abc") == expected


def test_a_phrase_keeps_what_it_gained_when_a_longer_one_is_not_said() -> None:
    assert (gained("ax", "a", "abc"), gained("abx", "a", "abc"), gained("abc", "a", "abc")) == (1.0, 1.0, 3.0)


def test_a_phrase_that_does_not_end_with_its_word_gains_nothing() -> None:
    tree = Phrases(["an"], lambda _letter: 1.0)
    first, gain = tree.advance(tree.start, "a")
    second, more = tree.advance(first, "n", begins=False, ends=False)
    _third, last = tree.advance(second, "n", begins=False, ends=False)

    assert (gain, more, last) == (1.0, 1.0, -2.0)


def test_a_phrase_does_not_begin_within_a_word() -> None:
    tree = Phrases(["an"], lambda _letter: 1.0)

    assert tree.advance(tree.start, "a", begins=False) == (tree.start, 0.0)
