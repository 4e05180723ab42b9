"""What pages show of schedules: the week of a route, and where windows contradict each other."""

from collections.abc import Sequence
from datetime import datetime
from itertools import combinations
from zoneinfo import ZoneInfo

from django.utils import timezone

from transcription.admin.week import DAY, NUM_DAYS, Palette, Week, week_of, within
from transcription.models import ModelRoute
from transcription.schedules import Plan, Span, Window, zone_named
from transcription.serving.choices import plan_of


def route_week(route: ModelRoute, now: datetime, palette: Palette | None = None) -> Week:
    """The seven days of a route as it is stored, in the time zone of its first window."""
    plan = plan_of(route, now)
    return week_of(plan, zone_of(plan.windows), now, clashes(plan.windows, now), palette)


def changed_plan(route: ModelRoute, window: Window, now: datetime) -> Plan:
    """As if `window` were stored, in the place of the row that it comes from."""
    plan = plan_of(route, now)
    others = tuple(other for other in plan.windows if other.key != window.key)
    return Plan(plan.usual, (*others, window), plan.wishes)


def zone_of(windows: Sequence[Window]) -> ZoneInfo:
    """That of the first window; without one, that of the site."""
    return zone_named(windows[0].time_zone) if windows else ZoneInfo(timezone.get_current_timezone_name())


def clashes(windows: Sequence[Window], now: datetime) -> list[Span]:
    """Stretches of these days in which windows of one priority name different models."""
    shown = Span(now - DAY, now + (NUM_DAYS + 1) * DAY)
    rivals = [
        pair for pair in combinations(windows, 2) if pair[0].priority == pair[1].priority and pair[0].model != pair[1].model
    ]
    shared = [
        within(span, other)
        for one, two in rivals
        for span in one.spans(shown.from_at, shown.until_at)
        for other in two.spans(shown.from_at, shown.until_at)
    ]
    return [span for span in shared if span is not None]
