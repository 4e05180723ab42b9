"""A notice as an e-mail, sent by Django."""

import smtplib
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, override

from transcription.alerts.notices.errors import NotDelivered
from transcription.alerts.notices.payloads import AlertFacts, Payload
from transcription.alerts.quantities import readable
from transcription.models import AlertChannel, AlertEvent, Severity


def send(channel: AlertChannel, payload: Payload) -> None:
    """Blocks for EMAIL_TIMEOUT seconds at most for each step of the conversation with the mail server.

    Raises:
        NotDelivered: no mail server is named, or it did not take the message.
    """
    if not settings.EMAIL_HOST:
        raise NotDelivered("EMAIL_HOST is not set: name a mail server there.", is_final=True)
    with override(channel.language):
        subject, body = subject_of(payload), body_of(payload["alert"])
    headers = {"Auto-Submitted": "auto-generated"}
    message = EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, channel.addresses, headers=headers)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as err:
        raise NotDelivered("The mail server takes none of the addresses.") from err
    except smtplib.SMTPResponseException as err:
        raise NotDelivered(f"The mail server answered {err.smtp_code}.") from err
    except (smtplib.SMTPException, OSError) as err:
        raise NotDelivered(f"The mail server cannot be reached ({type(err).__name__}).") from err


def subject_of(payload: Payload) -> str:
    """One line, whatever a title holds."""
    alert = payload["alert"]
    word = gettext("over") if payload["type"] == "alert.resolved" else str(Severity(alert["severity"]).label)
    return " ".join(f"[Hark] {word}: {alert['title']}".split())


def body_of(alert: AlertFacts) -> str:
    lines = [alert["title"], "", alert["condition"], *value_lines(alert), alert["detail"], *time_lines(alert), "", alert["url"]]
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip() + "\n"


def value_lines(alert: AlertFacts) -> list[str]:
    if alert["reason"] == AlertEvent.Reason.NO_DATA:
        return [gettext("Nothing was measured.")]
    if alert["value"] is None:
        return []
    now, peak = (
        readable(alert["metric"], value, how=alert["aggregation"], per=alert["per"]) for value in (alert["value"], alert["peak"])
    )
    return [gettext("Value: %(value)s, worst: %(peak)s") % {"value": now, "peak": peak}]


def time_lines(alert: AlertFacts) -> list[str]:
    lines = [gettext("Began: %(at)s") % {"at": clock(alert["opened_at"])}]
    if alert["resolved_at"] is not None:
        lines.append(gettext("Over: %(at)s") % {"at": clock(alert["resolved_at"])})
    if alert["num_fired"] > 1:
        lines.append(gettext("Fired %(num)s times") % {"num": alert["num_fired"]})
    return lines


def clock(at: str) -> str:
    moment = timezone.localtime(datetime.fromisoformat(at))
    return f"{date_format(moment, 'Y-m-d H:i:s')} {timezone.get_current_timezone_name()}"
