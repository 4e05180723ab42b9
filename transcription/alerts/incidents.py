"""Alerts that no rule raises: something that failed, such as a swap. Whoever sees it reports it, and again when it is well."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from transcription.alerts import events
from transcription.models import AlertDelivery, AlertEvent, Severity

What = AlertDelivery.What


def report_incident(
    key: str, title: str, *, names: Mapping[str, str], detail: str, severity: Severity = Severity.WARNING
) -> AlertEvent:
    """Tell people of it, once: one that is not over when it happens again only counts on.

    key: what it is about, such as `swap/7`. title: a text of the catalogue, into which `names` are put. detail: a sentence.
    """
    moment = timezone.now()
    with transaction.atomic():
        event, is_new = AlertEvent.objects.unresolved().get_or_create(
            key=key,
            defaults={
                "title": title,
                "severity": severity,
                "reason": AlertEvent.Reason.INCIDENT,
                "facts": {"names": dict(names)},
                "detail": detail,
                "opened_at": moment,
            },
        )
        if is_new:
            events.tell(event, What.FIRING, moment)
        else:
            event.num_fired, event.detail = event.num_fired + 1, detail
            event.save(update_fields=["num_fired", "detail"])
    return event


def settle_incident(key: str) -> None:
    """It is well again."""
    with transaction.atomic():
        for event in AlertEvent.objects.unresolved().filter(key=key).select_for_update():
            moment = timezone.now()
            events.close_event(event, moment)
            events.tell(event, What.RESOLVED, moment)
