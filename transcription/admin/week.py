"""Seven days of a route as a picture: a row for each day, a bar for each stretch in which one model is due. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, TypedDict
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext

from transcription.schedules import Because, Plan, Span, Stretch, moment_of, preview

NUM_DAYS: Final = 7
NUM_COLOURS: Final = 6
MIDNIGHT: Final = time(0)
DAY: Final = timedelta(days=1)


class Bar(TypedDict):
    """left, width: percent of the day. colour: a number that stands for the model. because: one of schedules.Because."""

    left: float
    width: float
    model: str
    colour: int
    because: str
    title: str


class Day(TypedDict):
    """`now`: percent of the day that has passed, on the first day; None on the others."""

    name: str
    date: str
    bars: list[Bar]
    conflicts: list[Bar]
    now: float | None


class Week(TypedDict):
    zone: str
    days: list[Day]
    models: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Palette:
    """Gives each model a colour: the same for the same name on one page."""

    numbers: dict[str, int]

    def colour(self, model: str) -> int:
        return self.numbers.setdefault(model, len(self.numbers) % NUM_COLOURS)


def week_of(plan: Plan, zone: ZoneInfo, now: datetime, conflicts: Iterable[Span] = (), palette: Palette | None = None) -> Week:
    """The seven days from today on, as clocks in `zone` show them. conflicts: when windows contradict each other."""
    colours = palette or Palette({})
    today = now.astimezone(zone).date()
    edges = [moment_of(today + number * DAY, MIDNIGHT, zone) for number in range(NUM_DAYS + 1)]
    stretches = preview(plan, edges[0], edges[-1] - edges[0])
    clashes = list(conflicts)
    days = []
    for number, span in enumerate(Span(*pair) for pair in zip(edges[:-1], edges[1:], strict=True)):
        day = today + number * DAY
        days.append(
            Day(
                name=date_format(day, "l"),
                date=date_format(day, gettext("j M")),
                bars=[bar for stretch in stretches if (bar := bar_of(stretch, span, zone, colours)) is not None],
                conflicts=[bar for clash in clashes if (bar := clash_of(clash, span, zone)) is not None],
                now=percent(now, span) if number == 0 else None,
            )
        )
    shown = {bar["model"] for day_view in days for bar in day_view["bars"]}
    return Week(zone=zone.key, days=days, models=sorted((model, colours.colour(model)) for model in shown))


def bar_of(stretch: Stretch, day: Span, zone: ZoneInfo, palette: Palette) -> Bar | None:
    """The part of `stretch` that lies in `day`."""
    part = within(Span(stretch.from_at, stretch.until_at), day)
    if part is None:
        return None
    due = stretch.due
    return Bar(
        **placed(part, day),
        model=due.model,
        colour=palette.colour(due.model),
        because=due.because.value,
        title=f"{clock_times(part, zone)} {due.model}",
    )


def clash_of(clash: Span, day: Span, zone: ZoneInfo) -> Bar | None:
    part = within(clash, day)
    if part is None:
        return None
    return Bar(**placed(part, day), model="", colour=0, because=Because.WINDOW.value, title=clock_times(part, zone))


class Place(TypedDict):
    left: float
    width: float


def placed(part: Span, day: Span) -> Place:
    left = percent(part.from_at, day)
    return Place(left=left, width=round(percent(part.until_at, day) - left, 3))


def percent(moment: datetime, day: Span) -> float:
    """How much of the day has passed: days on which clocks change have 23 or 25 hours."""
    return round(100 * ((moment - day.from_at) / (day.until_at - day.from_at)), 3)


def within(span: Span, day: Span) -> Span | None:
    part = Span(max(span.from_at, day.from_at), min(span.until_at, day.until_at))
    return part if part.from_at < part.until_at else None


def clock_times(part: Span, zone: ZoneInfo) -> str:
    return f"{wall(part.from_at, zone)}–{wall(part.until_at, zone)}"


def wall(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}"
