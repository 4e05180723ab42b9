"""Where segments lie and when they are said to have been spoken; which comes next, and what it is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.audio import to_samples
from inference.segment import MARGIN_SAMPLES, Segment, Segments, Stride

FIRST, EVERY = to_samples(150), to_samples(200)


def a_segment(start_ms: int = 0, voiced_ms: int = 0, model: str = "old") -> Segment:
    return Segment(to_samples(start_ms), to_samples(voiced_ms), ("en",), model=model)


def closed(start_ms: int, voiced_ms: tuple[int, int], end_ms: int) -> Segment:
    segment = a_segment(start_ms, voiced_ms[0])
    segment.end, segment.voiced_until = to_samples(end_ms), to_samples(voiced_ms[1])
    return segment


# When it was spoken


def test_while_it_is_spoken_it_has_no_end() -> None:
    assert a_segment(1_000, 1_600).shown_ms == (1_500, None)


def test_it_is_shown_a_margin_around_the_voice() -> None:
    assert closed(1_000, (1_600, 2_000), 2_480).shown_ms == (1_500, 2_100)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (closed(1_000, (1_000, 2_000), 2_000), (1_000, 2_000)),  # a cut on either side
        (closed(1_000, (1_099, 1_950), 2_000), (1_000, 2_000)),
        (closed(1_000, (1_101, 1_899), 2_000), (1_001, 1_999)),
        (closed(1_000, (1_000, 1_000), 1_000), (1_000, 1_000)),  # a finalize with nothing said
    ],
)
def test_the_margin_does_not_reach_beyond_it(segment: Segment, expected: tuple[int, int]) -> None:
    assert segment.shown_ms == expected


def test_two_that_lie_one_behind_the_other_do_not_overlap_in_what_is_shown() -> None:
    first, second = closed(0, (0, 1_990), 2_000), closed(2_000, (2_010, 2_500), 3_000)

    assert first.shown_ms[1] == second.shown_ms[0]


@given(st.lists(st.integers(0, 10 * MARGIN_SAMPLES), min_size=4, max_size=4))
def test_what_is_shown_lies_within_it_and_around_the_voice(places: list[int]) -> None:
    start, voiced_from, voiced_until, end = sorted(places)
    segment = Segment(start, voiced_from, (), end=end, voiced_until=voiced_until)

    first_ms, last_ms = segment.shown_ms

    assert last_ms is not None
    assert start // 16 <= first_ms <= voiced_from // 16 <= voiced_until // 16 <= last_ms <= end // 16


# Which comes next


def test_the_oldest_that_is_closed_is_recognised_before_the_one_that_is_spoken() -> None:
    segments, seen = Segments(0), []
    for start_ms in (0, 1_000, 2_000):
        segments.begin(a_segment(start_ms, start_ms))
        seen.append(segments.current)
        if start_ms < 2_000:
            segments.close(to_samples(start_ms + 900), to_samples(start_ms + 800))

    starts_ms = [segment.start // 16 for segment in seen if segment is not None]
    assert starts_ms == [0, 0, 0]
    segments.closed.popleft()
    segments.closed.popleft()
    assert segments.current is segments.open


def test_where_nobody_speaks_there_is_none() -> None:
    segments = Segments(0)

    assert segments.current is None
    assert segments.models == set()
    assert segments.num_begun == 0


def test_to_close_where_none_is_open_is_a_fault() -> None:
    with pytest.raises(AssertionError):
        Segments(0).close(10, 10)


def test_the_next_starts_behind_the_last_one_or_behind_what_is_counted() -> None:
    segments = Segments(0)
    before = segments.first_free(77)
    for start in (100, 200):
        segments.begin(Segment(start, start, ()))
        segments.close(start + 90, start + 80)

    assert (before, segments.first_free(77)) == (77, 290)


def test_every_model_is_needed_whose_segment_is_not_final() -> None:
    segments = Segments(0)
    for model in ("old", "new"):
        segments.begin(a_segment(model=model))
        segments.close(100, 100)
    segments.begin(a_segment(model="newest"))

    assert segments.models == {"old", "new", "newest"}
    segments.closed.popleft()
    assert segments.models == {"new", "newest"}
    assert segments.num_begun == 3


# Numbers


def test_a_segment_gets_its_number_once_and_the_next_one_another() -> None:
    segments, first, second = Segments(5), a_segment(), a_segment()

    numbers = [segments.number(segment) for segment in (first, first, second, first)]

    assert numbers == [5, 5, 6, 5]
    assert segments.next_number == 7


def test_a_segment_that_nobody_asks_of_uses_no_number() -> None:
    segments = Segments(0)
    segments.begin(a_segment())
    segments.close(100, 100)

    assert segments.next_number == 0


# Strides


@pytest.mark.parametrize(
    ("num_heard", "expected"),
    [
        (0, FIRST),
        (FIRST - 1, FIRST),
        (FIRST, FIRST + EVERY),
        (FIRST + EVERY - 1, FIRST + EVERY),
        (FIRST + EVERY, FIRST + 2 * EVERY),
    ],
)
def test_a_model_can_go_on_with_its_first_stride_and_each_further_one(num_heard: int, expected: int) -> None:
    assert Stride(FIRST, EVERY).next_after(num_heard) == expected


def test_a_first_stride_of_many_further_ones_is_waited_for() -> None:
    assert Stride(5 * EVERY, EVERY).next_after(0) == 5 * EVERY


@given(st.integers(1, 9_000), st.integers(1, 9_000), st.integers(0, 99_000))
def test_a_model_that_goes_on_has_something_new_and_nothing_that_could_have_come_earlier(
    first: int, every: int, num_heard: int
) -> None:
    num_next = Stride(first, every).next_after(num_heard)

    assert num_next > num_heard
    assert (num_next - first) % every == 0
    assert num_next == first or num_next - every <= num_heard
