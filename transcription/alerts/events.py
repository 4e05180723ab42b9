"""Every write of an event: that it began, what became of it, that somebody knows of it, that it is over; and who is told."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from transcription.alerts.notices.payloads import payload_of
from transcription.alerts.readings import condition_of
from transcription.alerts.standings import keep, standing_of, standing_to_ourselves
from transcription.alerts.states import closed_by_hand
from transcription.models import AlertChannel, AlertDelivery, AlertEvent, AlertRule, Severity

Reason, State, What = AlertEvent.Reason, AlertEvent.State, AlertDelivery.What


def facts_of(rule: AlertRule) -> dict[str, Any]:
    """What the rule said when it fired."""
    names = ("metric", "aggregation", "per", "labels", "comparison", "threshold", "window_s", "for_s")
    return {name: getattr(rule, name) for name in names}


def open_event(rule: AlertRule, value: float | None, detail: str, moment: datetime) -> AlertEvent:
    """A new one; the old one where, against expectation, it is not resolved."""
    lingering = rule.events.unresolved().first()
    if lingering is not None:
        return lingering
    return AlertEvent.objects.create(
        rule=rule,
        title=rule.name,
        severity=rule.severity,
        reason=Reason.NO_DATA if value is None else Reason.VALUE,
        facts=facts_of(rule),
        value=value,
        peak=value,
        detail=detail,
        opened_at=moment,
    )


def reopen_event(rule: AlertRule, value: float | None, detail: str, moment: datetime) -> AlertEvent:
    """The last one, which fires again. Whoever knew of it before knows of it still."""
    last = rule.events.order_by("-pk").first()
    if last is None or last.state != State.RESOLVED:
        return open_event(rule, value, detail, moment)
    last.state = State.OPEN if last.acknowledged_at is None else State.ACKNOWLEDGED
    last.num_fired += 1
    last.value, last.detail = value, detail
    last.peak = condition_of(rule).worse(last.peak, value)
    last.resolved_at = last.resolved_by = None
    last.save()
    return last


def follow_value(rule: AlertRule, value: float | None) -> AlertEvent | None:
    """While an event goes on, it says how bad it is and was. Returns it."""
    event = rule.events.unresolved().first()
    if event is not None:
        event.value, event.peak = value, condition_of(rule).worse(event.peak, value)
        event.save(update_fields=["value", "peak"])
    return event


def close_event(event: AlertEvent, moment: datetime, by: User | None = None) -> None:
    event.state, event.resolved_at, event.resolved_by = State.RESOLVED, moment, by
    event.save(update_fields=["state", "resolved_at", "resolved_by"])


def forget_old(keep: timedelta) -> int:
    """Events that were over for longer, with their deliveries, and trials of channels as old. Returns how many events."""
    before = timezone.now() - keep
    AlertDelivery.objects.filter(event=None, created_at__lt=before).delete()
    old = AlertEvent.objects.filter(state=State.RESOLVED, resolved_at__lt=before)
    return old.delete()[1].get("transcription.AlertEvent", 0)


def num_unresolved() -> dict[str, int]:
    """By severity."""
    counted = AlertEvent.objects.unresolved().order_by().values_list("severity").annotate(Count("pk"))
    return dict.fromkeys(Severity.values, 0) | dict(counted)


# --- By hand


def acknowledge(event: AlertEvent, by: User) -> bool:
    """Somebody sees to it; nobody is told again before it is over. Returns whether it was open."""
    num = AlertEvent.objects.filter(pk=event.pk, state=State.OPEN).update(
        state=State.ACKNOWLEDGED, acknowledged_at=timezone.now(), acknowledged_by=by
    )
    event.refresh_from_db()
    return num == 1


def resolve(event: AlertEvent, by: User) -> bool:
    """Somebody says that it is over. Its rule stays quiet for its cool-down, or until it was fine. Returns whether it was not."""
    moment = timezone.now()
    with transaction.atomic():
        row = standing_to_ourselves(event.rule, waits=True) if event.rule is not None else None
        current = AlertEvent.objects.select_for_update().get(pk=event.pk)
        if current.state == State.RESOLVED:
            return False
        close_event(current, moment, by)
        if row is not None:
            keep(row, closed_by_hand(condition_of(row.rule), standing_of(row), moment), row.value)
        tell(current, What.RESOLVED, moment)
    event.refresh_from_db()
    return True


# --- Telling


def tell(event: AlertEvent, what: AlertDelivery.What, moment: datetime) -> None:
    """Write down what is to be delivered, in the transaction of what happened."""
    for channel in channels_for(event.rule):
        AlertDelivery.objects.create(
            event=event, channel=channel, what=what, payload=payload_of(event, what, moment, channel), next_at=moment
        )


def channels_for(rule: AlertRule | None) -> Iterable[AlertChannel]:
    """Those of the rule; where it names none, those that are for everything."""
    wanted = Q(rules=rule) if rule is not None and rule.channels.exists() else Q(is_default=True)
    return AlertChannel.objects.filter(wanted, is_enabled=True).distinct()
