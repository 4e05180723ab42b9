"""The alerts that people should look at now, as a page of the console shows them. Blocks: call it in a thread."""

from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils import translation

from transcription.console.messages import AlertRow, Alerts
from transcription.models import AlertEvent

MAX_SHOWN: Final = 20
LANGUAGES: Final = frozenset(code for code, _name in settings.LANGUAGES)


def unresolved_alerts(language: str) -> Alerts:
    """The newest first. language: one of ours, else that of the site."""
    with translation.override(language if language in LANGUAGES else settings.LANGUAGE_CODE):
        events = AlertEvent.objects.unresolved().select_related("rule").order_by("-opened_at")[:MAX_SHOWN]
        return Alerts(alerts=[alert_row(event) for event in events])


def alert_row(event: AlertEvent) -> AlertRow:
    return AlertRow(
        title=str(event),
        severity=event.severity,
        state=event.state,
        since=event.opened_at.isoformat(),
        url=reverse("admin:transcription_alertevent_change", args=[event.pk]),
    )
