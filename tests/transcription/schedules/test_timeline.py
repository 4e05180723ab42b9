"""What is due when: priorities, wishes, the days to come, and the sameness of the two ways to ask."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcription.schedules import Because, Plan, Window, Wish, due_at, next_change, preview

EVERY_DAY = frozenset(range(7))
NIGHT = Window(1, "big", EVERY_DAY, time(20), time(8), "Europe/Berlin")
LUNCH = Window(2, "tiny", frozenset(range(5)), time(12), time(13), "Europe/Berlin", priority=5)
WEEKEND = Window(3, "weekend", frozenset({5, 6}), time(0), time(0), "Europe/Berlin", priority=3)
PLAN = Plan("light", (NIGHT, LUNCH, WEEKEND))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DUE = [  # Berlin is one hour ahead of UTC in January, 2026-01-15 is a Thursday
    ("2026-01-15T10:00", "light", Because.USUAL),
    ("2026-01-15T11:00", "tiny", Because.WINDOW),
    ("2026-01-15T11:59:59", "tiny", Because.WINDOW),
    ("2026-01-15T12:00", "light", Because.USUAL),
    ("2026-01-15T18:59:59", "light", Because.USUAL),
    ("2026-01-15T19:00", "big", Because.WINDOW),
    ("2026-01-16T06:59:59", "big", Because.WINDOW),
    ("2026-01-16T07:00", "light", Because.USUAL),
    ("2026-01-16T22:59:59", "big", Because.WINDOW),
    ("2026-01-16T23:00", "weekend", Because.WINDOW),  # midnight in Berlin: a higher priority cuts the night short
    ("2026-01-18T22:59:59", "weekend", Because.WINDOW),
    ("2026-01-18T23:00", "big", Because.WINDOW),  # Sunday's night goes on under it
    ("2026-03-29T05:59:59", "weekend", Because.WINDOW),
    ("2026-07-15T18:00", "big", Because.WINDOW),  # in summer 20:00 comes an hour earlier in UTC
]


@pytest.mark.parametrize(("moment", "model", "because"), DUE)
def test_this_model_is_due(moment: str, model: str, because: Because) -> None:
    due = due_at(PLAN, utc(moment))

    assert (due.model, due.because) == (model, because)


WISHES = [
    ("2026-01-15T09:59", "light"),
    ("2026-01-15T10:00", "asked"),
    ("2026-01-15T11:30", "asked"),  # above the schedule
    ("2026-01-15T13:00", "later"),  # the last wish counts
    ("2026-01-15T14:00", "asked"),  # and when it is over, the one before
    ("2026-01-16T10:00", "light"),
]


@pytest.mark.parametrize(("moment", "model"), WISHES)
def test_the_last_wish_stands_above_every_window(moment: str, model: str) -> None:
    asked = Wish(1, "asked", utc("2026-01-15T10:00"), utc("2026-01-16T10:00"))
    later = Wish(2, "later", utc("2026-01-15T13:00"), utc("2026-01-15T14:00"))

    assert due_at(Plan("light", (NIGHT, LUNCH), (later, asked)), utc(moment)).model == model


def test_a_wish_without_an_end_holds_until_it_is_taken_back() -> None:
    plan = Plan("light", (NIGHT,), (Wish(1, "asked", utc("2026-01-15T10:00")),))

    assert due_at(plan, utc("2036-01-15T20:00")).model == "asked"


def test_of_equal_windows_the_one_that_began_last_counts_whatever_their_order() -> None:
    day = Window(1, "day", EVERY_DAY, time(8), time(20))
    noon = Window(2, "noon", EVERY_DAY, time(12), time(13))

    for windows in ((day, noon), (noon, day)):
        assert due_at(Plan("light", windows), utc("2026-01-15T12:30")).model == "noon"


def test_the_preview_shows_each_change_of_a_week_and_no_other() -> None:
    stretches = preview(Plan("light", (NIGHT,)), utc("2026-03-27T12:00"))

    assert [(f"{stretch.from_at:%a %H:%M}", stretch.due.model) for stretch in stretches[:6]] == [
        ("Fri 12:00", "light"), ("Fri 19:00", "big"), ("Sat 07:00", "light"), ("Sat 19:00", "big"),
        ("Sun 06:00", "light"), ("Sun 18:00", "big"),
    ]  # fmt: skip
    assert stretches[-1].until_at == utc("2026-04-03T12:00")
    assert len(stretches) == 15


def test_the_preview_shows_when_a_wish_begins_and_ends() -> None:
    asked = Wish(1, "asked", utc("2026-01-16T10:00"), utc("2026-01-16T11:00"))

    stretches = preview(Plan("light", (), (asked,)), utc("2026-01-15T12:00"))

    assert [(stretch.due.model, stretch.from_at) for stretch in stretches[1:]] == [
        ("asked", utc("2026-01-16T10:00")),
        ("light", utc("2026-01-16T11:00")),
    ]


def test_without_windows_nothing_will_change() -> None:
    assert next_change(Plan("light"), utc("2026-01-15T12:00")) is None
    assert [stretch.due.model for stretch in preview(Plan("light"), utc("2026-01-15T12:00"))] == ["light"]


def test_the_next_change_is_the_first_to_another_model() -> None:
    same = Window(7, "light", EVERY_DAY, time(13), time(14))
    change = next_change(Plan("light", (same, NIGHT)), utc("2026-01-15T12:00"))

    assert change is not None
    assert (change.due.model, change.from_at) == ("big", utc("2026-01-15T19:00"))


windows = st.builds(
    Window,
    key=st.integers(0, 99),
    model=st.sampled_from(["a", "b", "c"]),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    starts=st.times().map(lambda wall: wall.replace(second=0, microsecond=0)),
    ends=st.times().map(lambda wall: wall.replace(second=0, microsecond=0)),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    priority=st.integers(-1, 1),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- Hypothesis adds it
wishes = st.builds(
    lambda key, model, from_at, minutes: Wish(key, model, from_at, from_at + timedelta(minutes=minutes)),
    st.integers(0, 99), st.sampled_from(["a", "b"]), moments, st.integers(1, 20_000),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(windows, max_size=5, unique_by=lambda window: window.key), st.lists(wishes, max_size=3), moments, st.floats(0, 1))
def test_the_preview_says_what_will_be_due(rows: list[Window], asked: list[Wish], start: datetime, share: float) -> None:
    plan = Plan("usual", tuple(rows), tuple(asked))
    stretches = preview(plan, start)
    moment = start + share * timedelta(days=7) * 0.999

    stretch = next(stretch for stretch in stretches if stretch.from_at <= moment < stretch.until_at)

    assert stretch.due == due_at(plan, moment)
    assert stretches[0].from_at == start
    assert stretches[-1].until_at == start + timedelta(days=7)
    assert all(one.until_at == two.from_at for one, two in zip(stretches, stretches[1:], strict=False))
    assert all(one.due != two.due for one, two in zip(stretches, stretches[1:], strict=False))
