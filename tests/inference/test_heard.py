"""What a stream tells of a window: where its words stand, and nothing that ends before it begins."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.audio import to_samples
from inference.heard import Heard
from inference.messages import Checkpoint, TimedWord, Timings
from inference.segment import Segment

TIMINGS = Timings(queue_ms=1.0, infer_ms=2.0)
CHECKPOINT = Checkpoint(transcribed_samples=5, next_segment=4)


def a_word(text: str, start_ms: int, end_ms: int) -> TimedWord:
    return TimedWord(text=text, start_ms=start_ms, end_ms=end_ms, confidence=0.5)


def heard(*words: TimedWord, confidence: float = 0.9) -> Heard:
    return Heard(" ".join(word.text for word in words), "stable", "en", confidence, words, "fake", TIMINGS)


def a_segment(start_ms: int, voiced_ms: tuple[int, int], end_ms: int) -> Segment:
    start, first, last, end = map(to_samples, (start_ms, *voiced_ms, end_ms))
    return Segment(start, first, ("en",), end=end, voiced_until=last)


def places(*words: TimedWord, segment: Segment) -> list[tuple[int, int]]:
    final = heard(*words).final(7, 3, segment, CHECKPOINT)
    return [(word.start_ms, word.end_ms) for word in final.words]


def test_a_final_says_what_was_heard_and_where() -> None:
    segment = a_segment(1_000, (1_600, 3_000), 3_480)
    segment.from_finalize = True

    final = heard(a_word("hello", 700, 900)).final(7, 3, segment, CHECKPOINT)

    assert (final.stream, final.segment, final.text, final.language, final.model) == (7, 3, "hello", "en", "fake")
    assert (final.start_ms, final.end_ms, final.from_finalize) == (1_500, 3_100, True)
    assert (final.timings, final.checkpoint) == (TIMINGS, CHECKPOINT)


def test_a_word_keeps_all_but_its_place() -> None:
    (word,) = heard(a_word("hello", 700, 900)).final(7, 3, a_segment(1_000, (1_600, 3_000), 3_480), CHECKPOINT).words

    assert word == a_word("hello", 1_700, 1_900)


@pytest.mark.parametrize(
    ("word_ms", "expected"),
    [
        ((0, 400), (1_500, 1_500)),  # in the silence before the voice
        ((400, 600), (1_500, 1_600)),
        ((500, 2_100), (1_500, 3_100)),
        ((2_000, 2_400), (3_000, 3_100)),
        ((2_200, 2_480), (3_100, 3_100)),  # in that after it
    ],
)
def test_a_word_does_not_reach_beyond_its_final(word_ms: tuple[int, int], expected: tuple[int, int]) -> None:
    assert places(a_word("hello", *word_ms), segment=a_segment(1_000, (1_600, 3_000), 3_480)) == [expected]


def test_a_final_with_nothing_said_has_a_place_and_no_length() -> None:
    final = heard().final(7, 3, a_segment(1_000, (1_000, 1_000), 1_000), CHECKPOINT)

    assert (final.text, final.words, final.start_ms, final.end_ms) == ("", (), 1_000, 1_000)


def test_a_confidence_is_told_to_three_places() -> None:
    final = heard(confidence=0.123456).final(7, 3, a_segment(0, (0, 100), 100), CHECKPOINT)

    assert final.confidence == 0.123


def test_a_segment_that_is_spoken_has_no_final() -> None:
    with pytest.raises(AssertionError):
        heard().final(7, 3, Segment(0, 0, ("en",)), CHECKPOINT)


def test_a_partial_says_how_far_its_step_went() -> None:
    segment = Segment(to_samples(1_000), to_samples(1_600), ("en",), stepped=to_samples(2_200))

    partial = heard(a_word("hello", 700, 900)).partial(7, 3, segment)

    assert (partial.stream, partial.segment, partial.text, partial.stable) == (7, 3, "hello", "stable")
    assert (partial.start_ms, partial.end_ms) == (1_500, 2_200)
    assert (partial.model, partial.timings) == ("fake", TIMINGS)


@pytest.mark.parametrize("stepped_ms", [1_000, 1_150, 1_499])
def test_a_partial_of_what_came_before_the_voice_does_not_end_before_it_begins(stepped_ms: int) -> None:
    """A model that takes little at a time is shown the quiet before the voice first, and may hear something in it."""
    segment = Segment(to_samples(1_000), to_samples(1_600), ("en",), stepped=to_samples(stepped_ms))

    partial = heard(a_word("oh", 0, 100)).partial(7, 3, segment)

    assert (partial.start_ms, partial.end_ms) == (1_500, 1_500)


TIMES_MS = st.integers(0, 3_000)


@given(st.lists(TIMES_MS, min_size=4, max_size=4), st.lists(TIMES_MS, max_size=12))
@example([0, 0, 0, 0], [5, 10])
def test_words_stay_in_order_and_within_their_final(edges_ms: list[int], times_ms: list[int]) -> None:
    start_ms, first_ms, last_ms, end_ms = sorted(edges_ms)
    ordered = sorted(times_ms[: len(times_ms) // 2 * 2])
    words = [a_word("hello", *pair) for pair in zip(ordered[::2], ordered[1::2], strict=True)]
    segment = a_segment(start_ms, (first_ms, last_ms), end_ms)

    placed = [edge for place in places(*words, segment=segment) for edge in place]

    final = heard().final(7, 3, segment, CHECKPOINT)
    assert [final.start_ms, *placed, final.end_ms] == sorted([final.start_ms, *placed, final.end_ms])
