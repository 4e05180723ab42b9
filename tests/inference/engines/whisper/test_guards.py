"""Loops, restarts, rewinds and text that is too much for its audio."""

import pytest

from inference.engines.whisper.guards import (
    MAX_REPEATS,
    MAX_WORDS_PER_S,
    MIN_WORDS,
    REWIND_FRAMES,
    is_made_up,
    max_words,
    repeated_tail,
    restarted_tail,
    rewound_tail,
    was_heard,
)


@pytest.mark.parametrize(
    ("name", "tokens", "expected"),
    [
        ("nothing", [], 0),
        ("no repetition", [1, 2, 3, 4, 5, 6, 7, 8], 0),
        ("as often as a speaker may", [1] * MAX_REPEATS, 0),
        ("one token too often", [7, *[1] * (MAX_REPEATS + 1)], MAX_REPEATS),
        ("a phrase too often", [7, *[1, 2, 3] * (MAX_REPEATS + 1)], 3 * MAX_REPEATS),
        ("a phrase that is not whole again", [*[1, 2, 3] * MAX_REPEATS, 1, 2], 0),
        ("repetition that is over", [*[1] * (MAX_REPEATS + 1), 2], 0),
    ],
)
def test_repeated_tail(name: str, tokens: list[int], expected: int) -> None:
    assert repeated_tail(tokens) == expected, name


@pytest.mark.parametrize(
    ("name", "tokens", "places", "expected"),
    [
        ("too short to tell", [1, 2, 3, 4], [0, 9, 18, 27], 0),
        ("different words", [1, 2, 3, 4, 5, 6, 7, 8], list(range(0, 80, 10)), 0),
        ("the same words heard at the same place", [1, 2, 3, 4, 1, 2, 3, 4], [0, 9, 18, 27, 1, 9, 17, 27], 4),
        ("the same words said again later", [1, 2, 3, 4, 1, 2, 3, 4], [0, 9, 18, 27, 100, 109, 118, 127], 0),
        ("words between", [1, 2, 3, 4, 9, 1, 2, 3, 4], [0, 9, 18, 27, 36, 0, 9, 18, 27], 4),
        ("one stray place does not matter", [1, 2, 3, 4, 1, 2, 3, 4], [0, 9, 18, 27, 200, 9, 18, 27], 4),
    ],
)
def test_restarted_tail(name: str, tokens: list[int], places: list[int], expected: int) -> None:
    assert restarted_tail(tokens, places) == expected, name


FAR = 4 * REWIND_FRAMES


@pytest.mark.parametrize(
    ("name", "places", "expected"),
    [
        ("nothing", [], 0),
        ("too short to tell", [FAR, 0, 0], 0),
        ("forward all the way", list(range(0, FAR, 10)), 0),
        ("one stray place", [0, 50, 100, 150, FAR, 10, FAR + 10, FAR + 20], 0),
        ("three tokens back where others were heard", [0, 50, FAR, FAR + 10, 0, 10, 20], 3),
        ("only one token was heard ahead", [0, 10, 20, FAR, 0, 10, 20], 0),
        ("three tokens a little back", [0, 50, 100, FAR, FAR - 40, FAR - 30, FAR - 20], 0),
        ("back from beyond the audio, where marks are heard", [0, 10, 20, 1499, 30, 40, 50], 0),
    ],
)
def test_rewound_tail(name: str, places: list[int], expected: int) -> None:
    assert rewound_tail(places, num_audio_frames=2 * FAR) == expected, name


def test_text_is_made_up_when_it_repeats_itself_or_is_too_long_for_its_audio() -> None:
    said = "It was the best of times, it was the worst of times, it was the age of wisdom."

    assert not is_made_up(said, num_words=18, most_words=max_words(5.0))
    assert is_made_up(said, num_words=18, most_words=max_words(2.0))
    assert is_made_up("It was the best of times. " * 8, num_words=48, most_words=max_words(15.0))


def test_two_words_fit_into_any_scrap_and_eight_into_a_second() -> None:
    assert max_words(0.05) == MIN_WORDS == 2
    assert max_words(1.0) == MAX_WORDS_PER_S == 8


def test_more_characters_than_words_fit_into_a_second() -> None:
    assert max_words(1.0, by_character=True) > 12


def test_what_the_decoder_wrote_while_it_looked_away_was_not_heard() -> None:
    assert was_heard([0, 12, 1499], num_frames=100)
    assert not was_heard([0, 0, 1499], num_frames=100)
    assert not was_heard([], num_frames=100)
