"""The picture of a week: bars that lie where clocks say, on days of 23 and 25 hours too."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from transcription.admin.week import NUM_DAYS, Palette, Week, week_of
from transcription.schedules import Plan, Span, Window, Wish

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY_NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)
EVERY_DAY = frozenset(range(7))
NIGHT = Window(1, "heavy", EVERY_DAY, time(18), time(6), "Europe/Berlin")


def bars(week: Week, day: int = 0) -> list[tuple[str, float, float]]:
    return [(bar["model"], bar["left"], bar["width"]) for bar in week["days"][day]["bars"]]


def test_a_night_is_drawn_at_both_ends_of_each_day() -> None:
    week = week_of(Plan("light", (NIGHT,)), BERLIN, MONDAY_NOON)

    assert len(week["days"]) == NUM_DAYS
    assert bars(week, 3) == [("heavy", 0, 25), ("light", 25, 50), ("heavy", 75, 25)]
    assert week["days"][0]["now"] == 50
    assert week["days"][1]["now"] is None
    assert week["days"][0]["bars"][1]["title"] == "06:00–18:00 light"


def test_a_route_without_a_schedule_is_one_bar_a_day() -> None:
    week = week_of(Plan("light"), BERLIN, MONDAY_NOON)

    assert all(bars(week, day) == [("light", 0, 100)] for day in range(NUM_DAYS))
    assert week["days"][0]["bars"][0]["because"] == "usual"


def test_every_day_is_covered_without_a_gap_over_a_change_of_clocks() -> None:
    before_the_change = datetime(2026, 10, 23, 12, tzinfo=UTC)

    week = week_of(Plan("light", (NIGHT,)), BERLIN, before_the_change)

    for day in week["days"]:
        assert sum(bar["width"] for bar in day["bars"]) == pytest.approx(100, abs=0.01)
    sunday = week["days"][2]
    assert sunday["bars"][0]["width"] == pytest.approx(100 * 7 / 25, abs=0.01), "six hours of the clock, seven of the sun"


def test_a_wish_is_marked_as_one() -> None:
    wish = Wish(1, "heavy", MONDAY_NOON, datetime(2026, 11, 23, 17, tzinfo=UTC))

    week = week_of(Plan("light", wishes=(wish,)), BERLIN, MONDAY_NOON)

    assert [bar["because"] for bar in week["days"][0]["bars"]] == ["usual", "override", "usual"]


def test_contradictions_are_drawn_where_they_happen() -> None:
    clash = Span(datetime(2026, 11, 24, 17, tzinfo=UTC), datetime(2026, 11, 24, 23, tzinfo=UTC))

    week = week_of(Plan("light"), BERLIN, MONDAY_NOON, [clash])

    assert [len(day["conflicts"]) for day in week["days"]] == [0, 1, 0, 0, 0, 0, 0]
    assert (week["days"][1]["conflicts"][0]["left"], week["days"][1]["conflicts"][0]["width"]) == (75, 25)


def test_a_model_has_one_colour_on_a_page() -> None:
    palette = Palette({})
    first = week_of(Plan("light", (NIGHT,)), BERLIN, MONDAY_NOON, palette=palette)
    second = week_of(Plan("heavy"), BERLIN, MONDAY_NOON, palette=palette)

    assert dict(first["models"])["heavy"] == dict(second["models"])["heavy"]
    assert len(set(dict(first["models"]).values())) == 2
