"""What a notice says: as JSON for webhooks, and as an e-mail made of the same."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext, override

from transcription.alerts.quantities import readable
from transcription.models import AlertChannel, AlertDelivery, AlertEvent

What = AlertDelivery.What
TYPES: Final = {What.FIRING: "alert.firing", What.RESOLVED: "alert.resolved", What.TEST: "alert.test"}


class AlertFacts(TypedDict):
    """`value`, `peak`, `threshold`: in the unit of the metric; null where there is none. `url`: empty without HARK_SITE_URL."""

    id: int | None
    title: str
    severity: str
    state: str
    reason: str
    condition: str
    value: float | None
    peak: float | None
    threshold: float | None
    metric: str
    aggregation: str
    per: str
    labels: Mapping[str, str]
    detail: str
    num_fired: int
    opened_at: str
    resolved_at: str | None
    url: str


class Payload(TypedDict):
    """`type`: alert.firing, alert.resolved or alert.test. Times are ISO 8601, UTC."""

    type: str
    at: str
    alert: AlertFacts


def payload_of(event: AlertEvent, what: AlertDelivery.What, moment: datetime, channel: AlertChannel) -> Payload:
    """In the language of the channel."""
    facts = event.facts
    with override(channel.language):
        alert = AlertFacts(
            id=event.pk,
            title=str(event),
            severity=event.severity,
            state=event.state,
            reason=event.reason,
            condition=condition_text(facts),
            value=event.value,
            peak=event.peak,
            threshold=facts.get("threshold"),
            metric=facts.get("metric", ""),
            aggregation=facts.get("aggregation", ""),
            per=facts.get("per", ""),
            labels=facts.get("labels", {}),
            detail=event.detail,
            num_fired=event.num_fired,
            opened_at=event.opened_at.isoformat(),
            resolved_at=None if event.resolved_at is None else event.resolved_at.isoformat(),
            url=address_of(event),
        )
    return Payload(type=TYPES[what], at=moment.isoformat(), alert=alert)


def trial_payload(moment: datetime, channel: AlertChannel) -> Payload:
    """Of a notice that only shows that notices arrive."""
    with override(channel.language):
        title = gettext("A trial: notices of alerts arrive here.")
    at = moment.isoformat()
    alert = AlertFacts(
        id=None, title=title, severity="info", state="open", reason="incident", condition="", value=None, peak=None,
        threshold=None, metric="", aggregation="", per="", labels={}, detail="", num_fired=1, opened_at=at, resolved_at=None,
        url="",
    )  # fmt: skip
    return Payload(type=TYPES[What.TEST], at=at, alert=alert)


def condition_text(facts: Mapping[str, Any]) -> str:
    """Of a rule, the same in every language: `p99 hark_final_seconds{model=x} > 500 ms (300 s)`. Empty: there was no rule."""
    if not facts.get("metric"):
        return ""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(facts["labels"].items()))
    what = f"{facts['metric']}{f'{{{labels}}}' if labels else ''}{' / ' + facts['per'] if facts['per'] else ''}"
    limit = readable(facts["metric"], facts["threshold"], how=facts["aggregation"], per=facts["per"])
    return f"{facts['aggregation']} {what} {facts['comparison']} {limit} ({facts['window_s']} s)"


def value_text(event: AlertEvent, value: float | None) -> str:
    facts = event.facts
    return readable(facts.get("metric", ""), value, how=facts.get("aggregation", ""), per=facts.get("per", ""))


def address_of(event: AlertEvent) -> str:
    """Of the event's page; empty where the site does not know its own address."""
    if not settings.HARK_SITE_URL:
        return ""
    return f"{settings.HARK_SITE_URL}{reverse('admin:transcription_alertevent_change', args=[event.pk])}"
