"""Windows that contradict each other, and windows that only seem to."""

from datetime import UTC, datetime, time

import pytest

from transcription.schedules import Window, find_conflicts

WEEK = frozenset(range(7))
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(1, "day", WEEK, time(8), time(20), "Europe/Berlin")

PEACEFUL = [
    ("touching", Window(2, "night", WEEK, time(20), time(8), "Europe/Berlin")),
    ("of another priority", Window(2, "noon", WEEK, time(12), time(13), "Europe/Berlin", priority=1)),
    ("of the same model", Window(2, "day", WEEK, time(12), time(13), "Europe/Berlin")),
    ("touching in another zone", Window(2, "abroad", WEEK, time(19), time(20), "Europe/London")),
]


@pytest.mark.parametrize(("case", "other"), PEACEFUL)
def test_these_windows_agree(case: str, other: Window) -> None:
    assert find_conflicts([DAY, other], JANUARY) == [], case


CONTRADICTING = [
    ("one in the other", Window(2, "noon", WEEK, time(12), time(13), "Europe/Berlin"), "2026-01-01T11:00"),
    ("over midnight into it", Window(2, "night", WEEK, time(22), time(9), "Europe/Berlin"), "2026-01-01T07:00"),
    ("one day of the week", Window(2, "sunday", frozenset({6}), time(0), time(0), "Europe/Berlin"), "2026-01-04T07:00"),
    ("partly, in another zone", Window(2, "abroad", WEEK, time(18), time(20), "Europe/London"), "2026-01-01T18:00"),
    # New York changes its clocks three weeks before Berlin: only then is 14:00 there not 20:00 here
    ("a few weeks of the year", Window(2, "abroad", WEEK, time(14), time(15), "America/New_York"), "2026-03-08T18:00"),
]


@pytest.mark.parametrize(("case", "other", "first_at"), CONTRADICTING)
def test_these_windows_contradict_each_other(case: str, other: Window, first_at: str) -> None:
    conflicts = find_conflicts([DAY, other], JANUARY)

    assert [(conflict.first.key, conflict.second.key) for conflict in conflicts] == [(1, 2)], case
    assert conflicts[0].span.from_at == datetime.fromisoformat(first_at).replace(tzinfo=UTC), case


def test_each_pair_is_named_once() -> None:
    windows = [Window(key, f"model-{key}", WEEK, time(0), time(0)) for key in range(3)]

    pairs = [(conflict.first.key, conflict.second.key) for conflict in find_conflicts(windows, JANUARY)]

    assert pairs == [(0, 1), (0, 2), (1, 2)]
