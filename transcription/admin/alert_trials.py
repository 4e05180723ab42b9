"""What an alert rule would have done over the last day, as a page shows it: in a sentence, as a list, and drawn."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, TypedDict

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from transcription.alerts.quantities import readable
from transcription.alerts.readings import condition_of, past
from transcription.alerts.replay import Point, Replay, Spell, replay
from transcription.models import AlertRule
from transcription.templatetags.transcription_format import clock

LOOKED_BACK: Final = timedelta(days=1)
WIDTH, HEIGHT = 960, 180
"""Of the drawing, in its own units."""


class SpellView(TypedDict):
    since: str
    until: str
    lasted: str
    peak: str
    num_fired: int


class Drawing(TypedDict):
    """`lines`: points of an SVG polyline each; `threshold_y`: None where it lies outside. `top`: the value at the upper edge."""

    width: int
    height: int
    lines: list[str]
    threshold_y: float | None
    top: str
    since: str
    until: str


class TrialView(TypedDict):
    sentence: str
    note: str
    spells: list[SpellView]
    threshold: str
    drawing: Drawing | None


def trial_of(rule: AlertRule, now: datetime | None = None) -> TrialView:
    """`rule` need not be stored.

    Raises:
        ValueError: what it asks for cannot be measured.
    """
    now = now or timezone.now()
    points, step = past(rule, now - LOOKED_BACK, now)
    told = replay(condition_of(rule), points, step)
    return TrialView(
        sentence=sentence_of(told),
        note=note_of(told, step),
        spells=[spell_view(rule, spell, now) for spell in told.spells],
        threshold=text_of(rule, rule.threshold),
        drawing=None if told.is_without_data else drawing_of(rule, points),
    )


def text_of(rule: AlertRule, value: float | None) -> str:
    return readable(rule.metric, value, how=rule.aggregation, per=rule.per)


def sentence_of(told: Replay) -> str:
    if told.is_without_data and not told.spells:
        return gettext("Nothing was measured in the last day, so it would have done nothing.")
    if not told.spells:
        return gettext("It would not have fired in the last day.")
    return gettext("It would have fired in the last day. Times: %(num)d. Notices: %(told)d.") % {
        "num": sum(spell.num_fired for spell in told.spells),
        "told": told.num_notices,
    }


def note_of(told: Replay, step: timedelta) -> str:
    text = gettext("Judged by one value for every %(seconds)d s.") % {"seconds": step.total_seconds()}
    if told.num_missing and not told.is_without_data:
        text += " " + gettext("%(missing)d of %(num)d were missing.") % {"missing": told.num_missing, "num": told.num_points}
    return text


def spell_view(rule: AlertRule, spell: Spell, now: datetime) -> SpellView:
    return SpellView(
        since=at_clock(spell.since),
        until=gettext("goes on") if spell.until is None else at_clock(spell.until),
        lasted=clock(round(((spell.until or now) - spell.since).total_seconds() * 1000)),
        peak=gettext("no data") if spell.peak is None else text_of(rule, spell.peak),
        num_fired=spell.num_fired,
    )


def at_clock(at: datetime) -> str:
    return date_format(timezone.localtime(at), "Y-m-d H:i")


def drawing_of(rule: AlertRule, points: Sequence[Point]) -> Drawing:
    values = [value for _at, value in points if value is not None]
    top = max([*values, rule.threshold, 0.0]) * 1.05 or 1.0
    bottom = min([*values, 0.0])
    height_of = (top - bottom) or 1.0

    def y(value: float) -> float:
        return round(HEIGHT * (top - value) / height_of, 1)

    places = [(round(WIDTH * number / max(len(points) - 1, 1), 1), value) for number, (_at, value) in enumerate(points)]
    runs = [list(run) for is_known, run in groupby(places, key=lambda place: place[1] is not None) if is_known]
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        lines=[" ".join(f"{x},{y(value)}" for x, value in run if value is not None) for run in runs],
        threshold_y=y(rule.threshold) if bottom <= rule.threshold <= top else None,
        top=text_of(rule, top),
        since=at_clock(points[0][0]),
        until=at_clock(points[-1][0]),
    )
