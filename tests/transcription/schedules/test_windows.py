"""Windows as stretches of time: across midnight, on the days when clocks jump, and windows that are refused."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcription.schedules import Window, window_complaints

EVERY_DAY = frozenset(range(7))
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SPANS = [  # what it shows, starts, ends, the day on which it begins; from and until in UTC
    ("an ordinary day", "08:00-18:00", "2026-01-15", ("2026-01-15T07:00", "2026-01-15T17:00")),
    ("across midnight", "22:00-06:00", "2026-01-15", ("2026-01-15T21:00", "2026-01-16T05:00")),
    ("up to midnight", "20:00-00:00", "2026-01-15", ("2026-01-15T19:00", "2026-01-15T23:00")),
    ("the whole day", "00:00-00:00", "2026-01-15", ("2026-01-14T23:00", "2026-01-15T23:00")),
    ("across the end of the year", "23:00-01:00", "2026-12-31", ("2026-12-31T22:00", "2027-01-01T00:00")),
    ("a night that is an hour shorter", "22:00-06:00", "2026-03-28", ("2026-03-28T21:00", "2026-03-29T04:00")),
    ("a night that is an hour longer", "22:00-06:00", "2026-10-24", ("2026-10-24T20:00", "2026-10-25T05:00")),
    ("a beginning that is skipped", "02:30-05:00", "2026-03-29", ("2026-03-29T01:00", "2026-03-29T03:00")),
    ("an end that is skipped", "01:00-02:30", "2026-03-29", ("2026-03-29T00:00", "2026-03-29T01:00")),
    ("an end that comes twice", "01:00-02:30", "2026-10-25", ("2026-10-24T23:00", "2026-10-25T00:30")),
    ("a day of 23 hours", "00:00-00:00", "2026-03-29", ("2026-03-28T23:00", "2026-03-29T22:00")),
    ("a day of 25 hours", "00:00-00:00", "2026-10-25", ("2026-10-24T22:00", "2026-10-25T23:00")),
]


@pytest.mark.parametrize(("shows", "walls", "day", "holds"), SPANS)
def test_a_window_holds(shows: str, walls: str, day: str, holds: tuple[str, str]) -> None:
    starts, ends = map(time.fromisoformat, walls.split("-"))
    window = Window(1, "big", EVERY_DAY, starts, ends, BERLIN)

    span = window.span_on(date.fromisoformat(day))

    assert span is not None, shows
    assert (span.from_at, span.until_at) == (utc(holds[0]), utc(holds[1])), shows


def test_a_window_whose_whole_time_is_skipped_does_not_hold_that_day() -> None:
    window = Window(1, "big", EVERY_DAY, time(2, 10), time(2, 50), BERLIN)

    assert window.span_on(date(2026, 3, 29)) is None
    assert window.span_on(date(2026, 3, 30)) is not None


def test_a_window_holds_on_the_days_on_which_it_begins() -> None:
    friday_night = Window(1, "big", frozenset({4}), time(22), time(6))

    spans = list(friday_night.spans(utc("2026-11-23T00:00"), utc("2026-11-30T00:00")))

    assert [(span.from_at, span.until_at) for span in spans] == [(utc("2026-11-27T22:00"), utc("2026-11-28T06:00"))]


def test_a_window_that_began_yesterday_still_holds() -> None:
    sunday_night = Window(1, "big", frozenset({6}), time(22), time(6))

    assert [span.from_at for span in sunday_night.spans(utc("2026-11-23T01:00"), utc("2026-11-23T02:00"))] == [
        utc("2026-11-22T22:00")
    ]


@settings(deadline=None)
@given(
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Gaza"]),
    day=st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    edges=st.lists(st.times().map(lambda wall: wall.replace(microsecond=0)), min_size=2, max_size=5, unique=True),
)
def test_windows_that_touch_on_the_clock_leave_no_gap_and_never_overlap(zone: str, day: date, edges: list[time]) -> None:
    walls = [*sorted(edges), min(edges)]  # once around the clock
    windows = [Window(0, "m", EVERY_DAY, starts, ends, zone) for starts, ends in zip(walls, walls[1:], strict=False)]

    spans = [span for window in windows if (span := window.span_on(day)) is not None]

    assert all(span.until_at == after.from_at for span, after in zip(spans, spans[1:], strict=False))
    next_day = windows[0].span_on(day + timedelta(days=1))
    assert next_day is None or next_day.from_at == spans[-1].until_at


COMPLAINTS = [
    ([], "08:00", "18:00", "UTC", "no day"),
    ([7], "08:00", "18:00", "UTC", "7 came"),
    ([1, 1], "08:00", "18:00", "UTC", "twice"),
    ([1], "08:00", "08:00", "UTC", "is nothing"),
    ([1], "08:00", "18:00", "Europe/Berln", "Did you mean Europe/Berlin"),
]


@pytest.mark.parametrize(("days", "starts", "ends", "zone", "sentence"), COMPLAINTS)
def test_a_window_that_means_nothing_is_refused(days: list[int], starts: str, ends: str, zone: str, sentence: str) -> None:
    complaints = window_complaints(days, time.fromisoformat(starts), time.fromisoformat(ends), zone)

    assert len(complaints) == 1
    assert sentence in complaints[0]


@pytest.mark.parametrize(("starts", "ends"), [("08:00", "18:00"), ("22:00", "06:00"), ("00:00", "00:00"), ("18:00", "00:00")])
def test_a_window_that_means_something_is_taken(starts: str, ends: str) -> None:
    assert window_complaints([0, 6], time.fromisoformat(starts), time.fromisoformat(ends), BERLIN) == []
