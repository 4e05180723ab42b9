"""One row of a schedule: a window of the week, and the stretches of time that it is. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from transcription.schedules.zones import UnknownZoneError, moment_of, zone_named

DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAY: Final = timedelta(days=1)
MIDNIGHT: Final = time(0)


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment until just before another, both in UTC."""

    from_at: datetime
    until_at: datetime

    def holds(self, moment: datetime) -> bool:
        return self.from_at <= moment < self.until_at


@dataclass(frozen=True, slots=True)
class Window:
    """`days`: those on which it begins, 0 is Monday. `ends` at or before `starts` is on the next day. `key`: of its row.

    `time_zone` must be known; `window_complaints` says whether it is.
    """

    key: int
    model: str
    days: frozenset[int]
    starts: time
    ends: time
    time_zone: str = "UTC"
    priority: int = 0

    def __str__(self) -> str:
        return f"{self.starts:%H:%M}–{self.ends:%H:%M} {self.time_zone}"

    def span_on(self, day: date) -> Span | None:
        """When it holds, if it begins on `day`; None where it does not, or where the clocks skip all of it."""
        if day.weekday() not in self.days:
            return None
        zone = zone_named(self.time_zone)
        last = day if self.ends > self.starts else day + DAY
        span = Span(moment_of(day, self.starts, zone), moment_of(last, self.ends, zone))
        return span if span.from_at < span.until_at else None

    def spans(self, from_at: datetime, until_at: datetime) -> Iterator[Span]:
        """Those that hold at some moment of [from_at, until_at), in order."""
        zone = zone_named(self.time_zone)
        day = from_at.astimezone(zone).date() - DAY  # it may have begun yesterday
        last = until_at.astimezone(zone).date()
        while day <= last:
            span = self.span_on(day)
            if span is not None and span.from_at < until_at and span.until_at > from_at:
                yield span
            day += DAY


def window_complaints(days: Sequence[int], starts: time, ends: time, time_zone: str) -> list[str]:
    """What is wrong with a window: a sentence each."""
    complaints = []
    if not days:
        complaints.append("The window has no day. Choose at least one on which it begins.")
    if strange := sorted({day for day in days if day not in range(7)}):
        complaints.append(f"Days are 0 (Monday) to 6 (Sunday); {', '.join(map(str, strange))} came.")
    if len(set(days)) < len(days):
        complaints.append("A day stands in the list twice.")
    if starts == ends != MIDNIGHT:
        complaints.append(f"From {starts:%H:%M} to {ends:%H:%M} is nothing. Write 00:00 to 00:00 for the whole day.")
    try:
        zone_named(time_zone)
    except UnknownZoneError as err:
        complaints.append(str(err))
    return complaints
