"""Time zones, and the moment at which a wall clock shows a time. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

SECOND: Final = timedelta(seconds=1)
MAX_NAME_CHARS: Final = 64


class UnknownZoneError(ValueError):
    """No time zone has this name; the text is a sentence with one that is near."""


@cache
def zone_names() -> frozenset[str]:
    """Names that an operator may write; `localtime` would mean another zone on each machine."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def zone_named(name: str) -> ZoneInfo:
    """Raises UnknownZoneError with a sentence."""
    if name in zone_names():
        return ZoneInfo(name)
    near = near_names(name[:MAX_NAME_CHARS])
    hint = f"Did you mean {' or '.join(near)}?" if near else "Expected a name such as Europe/Berlin or UTC."
    raise UnknownZoneError(f"The time zone {name[:MAX_NAME_CHARS]!r} is unknown. {hint}")


def near_names(name: str) -> list[str]:
    """At most two names that look or sound like it: misspelt, in other letters, or only the city."""
    wanted = name.strip().lower().replace(" ", "_")
    by_word: dict[str, str] = {}
    for known in sorted(zone_names(), reverse=True):
        by_word[known.rpartition("/")[2].lower()] = known
        by_word[known.lower()] = known
    close = get_close_matches(wanted, by_word, n=2, cutoff=0.75)
    return list(dict.fromkeys(by_word[word] for word in close))


def moment_of(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The moment (UTC) at which a clock in `zone` first shows `wall` or more on `day`.

    A time that is shown twice, in autumn, counts the first time. One that is skipped, in spring, is the moment of the skip. So
    later wall times never come earlier, and windows that touch on the clock touch in truth.
    """
    local = datetime.combine(day, wall.replace(tzinfo=None, fold=0), zone)
    moment = local.astimezone(UTC)
    is_skipped = moment.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None)
    return end_of_skip(local.replace(fold=1).astimezone(UTC), moment, zone) if is_skipped else moment


def end_of_skip(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """When the clock jumps, somewhere between these two moments."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + ((after - before) // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
