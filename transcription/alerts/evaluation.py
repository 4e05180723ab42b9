"""One look at all rules: what each makes of its value now, what happens to its event, and who is told. Called every few seconds.

Two workers that look at the same time share the rules: whoever has the row of a rule first looks at it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from transcription.alerts import events
from transcription.alerts.readings import condition_of, culprits, measured
from transcription.alerts.standings import keep, make_standings, standing_of, standing_to_ourselves
from transcription.alerts.states import Deed, Notice, Outcome, follow
from transcription.metrics import meters
from transcription.models import AlertDelivery, AlertEvent, AlertRule, AlertStanding

WHAT: Final = {Notice.FIRING: AlertDelivery.What.FIRING, Notice.RESOLVED: AlertDelivery.What.RESOLVED}


def evaluate(moment: datetime | None = None) -> None:
    """Look at every rule that is enabled, and end the events of those that are not."""
    moment = moment or timezone.now()
    make_standings()
    for rule in AlertRule.objects.filter(is_enabled=True):
        look_at(rule, moment)
    end_unwatched(moment)
    publish()


def look_at(rule: AlertRule, moment: datetime) -> None:
    value = measured(rule, moment)
    with transaction.atomic():
        row = standing_to_ourselves(rule)
        if row is None or (row.looked_at is not None and row.looked_at >= moment):
            return
        outcome = follow(condition_of(rule), standing_of(row), value, moment)
        keep(row, outcome.standing, value)
        act(rule, outcome, value, moment)


def act(rule: AlertRule, outcome: Outcome, value: float | None, moment: datetime) -> None:
    event = change_event(rule, outcome, value, moment)
    if outcome.notice is None or event is None:
        return
    is_known = outcome.notice is Notice.FIRING and event.state == AlertEvent.State.ACKNOWLEDGED
    if not is_known:
        events.tell(event, WHAT[outcome.notice], moment)


def change_event(rule: AlertRule, outcome: Outcome, value: float | None, moment: datetime) -> AlertEvent | None:
    """The event that the outcome is about."""
    match outcome.deed:
        case Deed.OPENED | Deed.REOPENED:
            begin: Callable[..., AlertEvent] = events.open_event if outcome.deed is Deed.OPENED else events.reopen_event
            return begin(rule, value, "" if value is None else culprits(rule, moment), moment)
        case Deed.RESOLVED:
            event = rule.events.unresolved().first()
            if event is not None:
                events.close_event(event, moment)
            return event
        case None if outcome.standing.is_open:
            return events.follow_value(rule, value)
        case _:
            return None


def end_unwatched(moment: datetime) -> None:
    """Events of rules that were disabled or deleted: nobody would ever find out that they are over."""
    unwatched = AlertEvent.objects.unresolved().filter(Q(rule=None, key="") | Q(rule__is_enabled=False))
    for event in unwatched.select_related("rule"):
        with transaction.atomic():
            events.close_event(event, moment)
            AlertStanding.objects.filter(rule=event.rule).update(is_open=False, is_told=False, closed_at=moment)
            events.tell(event, AlertDelivery.What.RESOLVED, moment)


def publish() -> None:
    """Say how many alerts are not over, as a metric of this worker."""
    meters.worker.alerts_open.tell({(severity,): num for severity, num in events.num_unresolved().items()})
