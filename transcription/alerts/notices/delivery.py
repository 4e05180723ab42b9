"""Brings notices to their channels: those of a channel in their order, one at a time; while it does not take one the others wait.

A waiting notice that somebody is at has its next try in the future, so nobody else takes it; should he die, it is due again then.
"""

import logging
from datetime import datetime, timedelta
from typing import Final, cast

from celery import current_app
from django.db.models import F
from django.utils import timezone
from kombu.exceptions import OperationalError

from transcription.alerts.notices import mail, webhook
from transcription.alerts.notices.errors import NotDelivered
from transcription.alerts.notices.payloads import Payload, trial_payload
from transcription.models import AlertChannel, AlertDelivery

DELIVER_TASK: Final = "transcription.tasks.deliver_notices"
CLAIM: Final = timedelta(seconds=60)
"""Longer than an attempt may take."""
BACK_OFF: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900, 1800, 3600))
"""Between attempts; after the last one it is given up."""
MAX_IN_A_ROW: Final = 20
State, What = AlertDelivery.State, AlertDelivery.What
logger = logging.getLogger(__name__)


def hand_over_due(moment: datetime | None = None) -> None:
    """Tell Celery of every channel whose next notice is due."""
    moment = moment or timezone.now()
    for head in AlertDelivery.objects.filter(state=State.WAITING).order_by("channel_id", "pk").distinct("channel_id"):
        if head.next_at is not None and head.next_at <= moment:
            hand_over(head.channel_id)


def hand_over(channel_id: int) -> None:
    """Where Valkey is away, beat does it when it is back."""
    try:
        current_app.send_task(DELIVER_TASK, [channel_id], retry=False, expires=30)
    except OperationalError as err:
        logger.warning("notices for channel %d wait: Celery's queue cannot be reached (%s)", channel_id, type(err).__name__)


def deliver_notices(channel_id: int) -> None:
    """Send what is due on a channel. One that is not taken is the next one still, but not due. Blocks."""
    for _number in range(MAX_IN_A_ROW):
        delivery = claim_next(channel_id)
        if delivery is None:
            return
        attempt(delivery)


def claim_next(channel_id: int) -> AlertDelivery | None:
    """The oldest one that waits, if it is due and nobody else is at it."""
    now = timezone.now()
    waiting = AlertDelivery.objects.filter(channel_id=channel_id, state=State.WAITING)
    head = waiting.select_related("channel").order_by("pk").first()
    if head is None:
        return None
    is_ours = AlertDelivery.objects.filter(pk=head.pk, state=State.WAITING, next_at__lte=now).update(
        next_at=now + CLAIM, num_attempts=F("num_attempts") + 1
    )
    if not is_ours:
        return None
    head.num_attempts += 1
    return head


def attempt(delivery: AlertDelivery) -> None:
    try:
        send(delivery)
    except NotDelivered as err:
        put_off(delivery, err)
        return
    delivery.state, delivery.delivered_at, delivery.next_at, delivery.error = State.DELIVERED, timezone.now(), None, ""
    delivery.save(update_fields=["state", "delivered_at", "next_at", "error"])


def send(delivery: AlertDelivery) -> None:
    """Raises NotDelivered."""
    channel, payload = delivery.channel, cast(Payload, delivery.payload)
    if not channel.is_enabled and delivery.what != What.TEST:
        raise NotDelivered("The channel is disabled.", is_final=True)
    if channel.kind == AlertChannel.Kind.EMAIL:
        mail.send(channel, payload)
    else:
        webhook.send(channel, delivery.uid, payload)


def put_off(delivery: AlertDelivery, err: NotDelivered) -> None:
    """Until its next try, or for ever."""
    is_last = err.is_final or delivery.num_attempts > len(BACK_OFF)
    delivery.error = str(err)[:300]
    delivery.state = State.FAILED if is_last else State.WAITING
    delivery.next_at = None if is_last else timezone.now() + BACK_OFF[delivery.num_attempts - 1]
    delivery.save(update_fields=["state", "next_at", "error"])
    level, num = logging.ERROR if is_last else logging.WARNING, delivery.num_attempts
    logger.log(level, "notice %s did not reach channel %d (try %d): %s", delivery.uid, delivery.channel_id, num, err)


def try_channel(channel: AlertChannel) -> AlertDelivery:
    """Send a notice that only shows that notices arrive. It waits for those before it."""
    moment = timezone.now()
    payload = trial_payload(moment, channel)
    delivery = AlertDelivery.objects.create(channel=channel, what=What.TEST, payload=payload, next_at=moment)
    hand_over(channel.pk)
    return delivery


def try_again(delivery: AlertDelivery) -> None:
    """One that was given up, from the beginning."""
    delivery.state, delivery.num_attempts, delivery.next_at = State.WAITING, 0, timezone.now()
    delivery.save(update_fields=["state", "num_attempts", "next_at"])
    hand_over(delivery.channel_id)
