"""Forgets on request all that somebody has said up to now.

1. `request_erasure` writes the wish down. From then on nothing that began before is stored any more (`services.start_session`).
2. Within two seconds each web process ends the sessions that are being spoken (`transcription.streaming.warden`).
3. `pursue` deletes everything as soon as none is live, in a worker, at once and then every five seconds. It does not wait for
   ever: what a process that hangs still holds is deleted under it, and what it writes of it later is refused.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from transcription.models import Erasure, Session, SessionQuerySet
from transcription.privacy.retention import delete_in_batches

PURSUE_TASK: Final = "transcription.tasks.pursue_erasures"
PATIENCE: Final = timedelta(seconds=20)
"""Ten looks of a web process at its live sessions."""

logger = logging.getLogger(__name__)


def request_erasure(user_id: int | None) -> Erasure:
    """Let all be forgotten that belongs to `user_id` (None: to nobody) and has begun by now.

    A wish that is still being carried out is taken up to now, and not doubled.
    """
    with transaction.atomic():
        pending = Erasure.objects.select_for_update().filter(user=user_id, finished_at=None).first()
        erasure = pending or Erasure(user_id=user_id)
        erasure.requested_at = timezone.now()
        erasure.save()
        transaction.on_commit(hand_over)
    return erasure


def hand_over() -> None:
    """Tell a Celery worker. Where Valkey is away, beat sees to it when it is back."""
    try:
        current_app.send_task(PURSUE_TASK, retry=False)
    except OperationalError as err:
        logger.warning("an erasure waits: Celery's queue cannot be reached (%s)", type(err).__name__)


def pursue() -> int:
    """Carry out what can be carried out now; returns how many wishes are still open."""
    pending = list(Erasure.objects.filter(finished_at=None))
    return sum(not carry_out(erasure) for erasure in pending)


def carry_out(erasure: Erasure) -> bool:
    """Delete what `erasure` is about; False if it is still being spoken and has some time to end by itself."""
    doomed = sessions_of(erasure)
    is_young = timezone.now() - erasure.requested_at < PATIENCE
    if is_young and doomed.filter(status=Session.Status.LIVE).exists():
        return False
    num_deleted = delete_in_batches(doomed)
    same = Erasure.objects.filter(pk=erasure.pk, requested_at=erasure.requested_at)  # else it was wished again meanwhile
    same.update(finished_at=timezone.now(), num_sessions=num_deleted)
    logger.info("erasure %d: %d sessions deleted", erasure.pk, num_deleted)
    return True


def sessions_of(erasure: Erasure) -> SessionQuerySet:
    return Session.objects.filter(owner=erasure.user_id, started_at__lte=erasure.requested_at)


def to_be_erased(session_ids: Sequence[UUID]) -> list[UUID]:
    """Those of our live sessions that have to end because their owner wants all forgotten: nearly always one short query."""
    wishes = Erasure.objects.filter(finished_at=None)
    return [doomed for wish in wishes for doomed in sessions_of(wish).filter(pk__in=session_ids).values_list("pk", flat=True)]
