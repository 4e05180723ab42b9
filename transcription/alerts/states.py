"""How a rule gets on from one look to the next: fine, pending, firing, fine again. Pure; `evaluation` keeps it in the database.

A rule fires when its value was bad for as long as it says, and is over when it was fine for as long. One that fires again
shortly after flaps: that is the same event, and people are told again only when its cool-down is over and it fires still.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from transcription.alerts.rules import Rule

MAX_GAP: Final = timedelta(seconds=60)
"""Where nobody has looked for longer, nobody knows whether it was bad all the time: waiting begins anew."""


class State(StrEnum):
    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    NO_DATA = "no_data"


class Deed(StrEnum):
    """What happens to the event of a rule."""

    OPENED = "opened"
    REOPENED = "reopened"
    RESOLVED = "resolved"


class Notice(StrEnum):
    """What people are told."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rule stands. `is_told`: the last notice said that it fires; `told_at`: when that was, or that it is over.

    `muted_until`: somebody called its event over by hand; until then it does not fire, unless it was fine in between.
    """

    state: State = State.OK
    since: datetime | None = None
    looked_at: datetime | None = None
    bad_since: datetime | None = None
    fine_since: datetime | None = None
    is_open: bool = False
    closed_at: datetime | None = None
    muted_until: datetime | None = None
    is_told: bool = False
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    standing: Standing
    deed: Deed | None = None
    notice: Notice | None = None


def follow(rule: Rule, standing: Standing, value: float | None, now: datetime, *, max_gap: timedelta = MAX_GAP) -> Outcome:
    """One look at a rule. `value`: None where nothing was measured."""
    known = standing if is_fresh(standing, now, max_gap) else replace(standing, bad_since=None, fine_since=None)
    moved, deed = worsen(rule, known, now) if rule.is_bad(value) else improve(rule, known, now)
    return tell(rule, entered(moved, state_of(rule, moved, value), now), deed, now)


def is_fresh(standing: Standing, now: datetime, max_gap: timedelta) -> bool:
    return standing.looked_at is not None and now - standing.looked_at <= max_gap


def worsen(rule: Rule, standing: Standing, now: datetime) -> tuple[Standing, Deed | None]:
    bad_since = standing.bad_since or now
    worse = replace(standing, bad_since=bad_since, fine_since=None)
    is_muted = standing.muted_until is not None and now < standing.muted_until
    if standing.is_open or is_muted or now - bad_since < rule.hold:
        return worse, None
    is_same = standing.closed_at is not None and now - standing.closed_at < rule.cool_down
    return replace(worse, is_open=True, muted_until=None), Deed.REOPENED if is_same else Deed.OPENED


def improve(rule: Rule, standing: Standing, now: datetime) -> tuple[Standing, Deed | None]:
    fine_since = standing.fine_since or now
    better = replace(standing, bad_since=None, fine_since=fine_since, muted_until=None)
    if not standing.is_open or now - fine_since < rule.hold:
        return better, None
    return replace(better, is_open=False, closed_at=now), Deed.RESOLVED


def state_of(rule: Rule, standing: Standing, value: float | None) -> State:
    if standing.is_open:
        return State.FIRING
    if value is None:
        return State.NO_DATA
    return State.PENDING if rule.is_bad(value) else State.OK


def entered(standing: Standing, state: State, now: datetime) -> Standing:
    since = standing.since if standing.state is state and standing.since is not None else now
    return replace(standing, state=state, since=since, looked_at=now)


def tell(rule: Rule, standing: Standing, deed: Deed | None, now: datetime) -> Outcome:
    """That it is over is told at once; that it fires again, only after the cool-down."""
    is_cooling = standing.told_at is not None and now - standing.told_at < rule.cool_down
    if standing.is_open == standing.is_told or (standing.is_open and is_cooling):
        return Outcome(standing, deed)
    told = replace(standing, is_told=standing.is_open, told_at=now)
    return Outcome(told, deed, Notice.FIRING if standing.is_open else Notice.RESOLVED)


def closed_by_hand(rule: Rule, standing: Standing, now: datetime) -> Standing:
    """Somebody called the event over. It stays quiet for its cool-down, or until it was fine in between."""
    muted_until = now + rule.cool_down
    closed = replace(standing, is_open=False, closed_at=now, muted_until=muted_until, is_told=False, told_at=now)
    return entered(replace(closed, fine_since=None), State.PENDING if standing.bad_since else State.OK, now)
