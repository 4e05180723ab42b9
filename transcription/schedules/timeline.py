"""What serves a route at a moment, and in the days to come. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from transcription.schedules.windows import Span, Window

WEEK: Final = timedelta(days=7)
LOOK_AHEAD: Final = timedelta(days=8)
"""Windows come back every week, so that what has not changed by then never will."""


class Because(StrEnum):
    """Why a model is due: nothing else is said, a window of the schedule, or somebody's wish."""

    USUAL = "usual"
    WINDOW = "window"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Wish:
    """An override. `until_at` None: until it is taken back."""

    key: int
    model: str
    from_at: datetime
    until_at: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        return self.from_at <= moment and (self.until_at is None or moment < self.until_at)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides which model is due on one route."""

    usual: str
    windows: tuple[Window, ...] = ()
    wishes: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """`key`: of the window or wish; None for the usual model."""

    model: str
    because: Because
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is due from one moment to another."""

    from_at: datetime
    until_at: datetime
    due: Due


def due_at(plan: Plan, moment: datetime) -> Due:
    """The wish that was made last stands above all; then the window with the highest priority, of equals the one that began
    last, and of those the older row.
    """
    return _due(plan, _spans(plan, moment, moment + timedelta(microseconds=1)), moment)


def preview(plan: Plan, from_at: datetime, length: timedelta = WEEK) -> list[Stretch]:
    """What is due from `from_at` on, without a gap; neighbours differ."""
    until_at = from_at + length
    spans = _spans(plan, from_at, until_at)
    edges = sorted({edge for edge in _edges(plan, spans) if from_at < edge < until_at})
    stretches: list[Stretch] = []
    for begins, ends in zip([from_at, *edges], [*edges, until_at], strict=True):
        due = _due(plan, spans, begins)
        if stretches and stretches[-1].due == due:
            begins = stretches.pop().from_at
        stretches.append(Stretch(begins, ends, due))
    return stretches


def next_change(plan: Plan, moment: datetime) -> Stretch | None:
    """The next stretch with another model than now; None: nothing will change by itself."""
    first, *later = preview(plan, moment, LOOK_AHEAD)
    return next((stretch for stretch in later if stretch.due.model != first.due.model), None)


def _due(plan: Plan, spans: Sequence[tuple[Window, Span]], moment: datetime) -> Due:
    wish = max((wish for wish in plan.wishes if wish.holds(moment)), key=lambda wish: (wish.from_at, wish.key), default=None)
    if wish is not None:
        return Due(wish.model, Because.OVERRIDE, wish.key)
    holding = [(window, span) for window, span in spans if span.holds(moment)]
    if not holding:
        return Due(plan.usual, Because.USUAL)
    window, _span = max(holding, key=lambda pair: (pair[0].priority, pair[1].from_at, -pair[0].key))
    return Due(window.model, Because.WINDOW, window.key)


def _spans(plan: Plan, from_at: datetime, until_at: datetime) -> list[tuple[Window, Span]]:
    return [(window, span) for window in plan.windows for span in window.spans(from_at, until_at)]


def _edges(plan: Plan, spans: Sequence[tuple[Window, Span]]) -> list[datetime]:
    of_windows = [edge for _window, span in spans for edge in (span.from_at, span.until_at)]
    of_wishes = [edge for wish in plan.wishes for edge in (wish.from_at, wish.until_at) if edge is not None]
    return [*of_windows, *of_wishes]
