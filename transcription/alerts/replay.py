"""What a rule would have done with values of the past. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from transcription.alerts.rules import Rule
from transcription.alerts.states import Deed, Standing, follow

Point = tuple[datetime, float | None]
"""When a value was known, and the value; None where nothing was measured."""


@dataclass(frozen=True, slots=True)
class Spell:
    """One event that would have been. `until`: None: it goes on. `peak`: the worst value; None: only data were missing."""

    since: datetime
    until: datetime | None
    peak: float | None
    num_fired: int = 1


@dataclass(frozen=True, slots=True)
class Replay:
    spells: tuple[Spell, ...]
    num_notices: int
    num_points: int
    num_missing: int

    @property
    def is_without_data(self) -> bool:
        return self.num_points == self.num_missing


def replay(rule: Rule, points: Sequence[Point], step: timedelta) -> Replay:
    """Follow `rule` through `points`, which lie `step` apart, in their order."""
    standing, spells, num_notices = Standing(), list[Spell](), 0
    for at, value in points:
        outcome = follow(rule, standing, value, at, max_gap=2 * step)
        standing = outcome.standing
        num_notices += outcome.notice is not None
        note(spells, outcome.deed, at, value)
        if standing.is_open:
            spells[-1] = replace(spells[-1], peak=rule.worse(spells[-1].peak, value))
    num_missing = sum(value is None for _at, value in points)
    return Replay(tuple(spells), num_notices, len(points), num_missing)


def note(spells: list[Spell], deed: Deed | None, at: datetime, value: float | None) -> None:
    match deed:
        case Deed.OPENED:
            spells.append(Spell(at, None, value))
        case Deed.REOPENED:
            spells[-1] = replace(spells[-1], until=None, num_fired=spells[-1].num_fired + 1)
        case Deed.RESOLVED:
            spells[-1] = replace(spells[-1], until=at)
