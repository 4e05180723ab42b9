"""The sweep: deletes what has been kept for as long as it may be. Blocks; may be run at any time and any number of times."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session as WebSession
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from transcription.models import CANARY_USER, ApiKey, Correction, Segment, Session, SessionQuerySet, StoredAudio, StreamTicket
from transcription.privacy import files

logger = logging.getLogger(__name__)

BATCH: Final = 200
"""Sessions in one transaction: no lock is held for long, and what was done stays done."""
CANARY_DAYS: Final = 1
"""What a round of the canary has left behind that was broken off."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was deleted. num_files: audio files that no row knew of."""

    num_sessions: int
    num_audio: int
    num_files: int


def sweep(now: datetime | None = None) -> Swept:
    """Delete what is over its time at `now`: sessions with all that belongs to them, stored audio, spent logins and tickets."""
    now = now or timezone.now()
    swept = Swept(
        num_sessions=sum(delete_in_batches(over_time(days, of, now)) for days, of in terms()),
        num_audio=delete_audio(now),
        num_files=files.remove_orphans(),
    )
    StreamTicket.objects.filter(expires_at__lte=now).delete()
    WebSession.objects.filter(expire_date__lte=now).delete()
    if swept != Swept(0, 0, 0):
        logger.info("swept: %d sessions, %d stretches of audio, %d files", swept.num_sessions, swept.num_audio, swept.num_files)
    return swept


def terms() -> Iterator[tuple[int, Q]]:
    """After how many days which sessions are deleted. What a key says takes the place of what the server says."""
    yield CANARY_DAYS, Q(owner__username=CANARY_USER)
    by_keys = ApiKey.objects.exclude(retention_days=None).order_by().values_list("retention_days", flat=True).distinct()
    for days in by_keys:
        if days:
            yield days, Q(key__retention_days=days)
    if settings.HARK_RETENTION_DAYS:
        yield settings.HARK_RETENTION_DAYS, Q(key=None) | Q(key__retention_days=None)


def over_time(days: int, of: Q, now: datetime) -> SessionQuerySet:
    """Sessions that came to their end before; those that are being spoken stay."""
    before = now - timedelta(days=days)
    ended = Session.objects.annotate(ended=Coalesce("ended_at", "last_seen_at")).filter(of, ended__lt=before)
    return ended.filter(started_at__lt=before).exclude(status=Session.Status.LIVE)  # the first condition has an index


def delete_in_batches(sessions: SessionQuerySet) -> int:
    """Delete them with their segments, corrections, resume points and audio; returns how many there were."""
    num_deleted = 0
    while batch := list(sessions.order_by().values_list("pk", flat=True)[:BATCH]):
        delete_all_of(batch)
        num_deleted += len(batch)
    return num_deleted


@transaction.atomic
def delete_all_of(session_ids: list[UUID]) -> None:
    """Segments are deleted where they lie: to fetch them first, as Django does for its cascade, takes seven times as long."""
    Correction.objects.filter(segment__session__in=session_ids).delete()
    Segment.objects.filter(session__in=session_ids)._raw_delete(DEFAULT_DB_ALIAS)
    Session.objects.filter(pk__in=session_ids).delete()


def delete_audio(now: datetime) -> int:
    """Delete what is older than HARK_AUDIO_TTL_DAYS, of live sessions too; all of it where none is stored any more."""
    old = StoredAudio.objects.filter(created_at__lt=now - timedelta(days=settings.HARK_AUDIO_TTL_DAYS))
    num_deleted = 0
    while batch := list(old.order_by().values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            StoredAudio.objects.filter(pk__in=batch).delete()
        num_deleted += len(batch)
    return num_deleted
