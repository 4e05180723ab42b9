"""The right to go on with a reliable session, as the database keeps it: who has the session, and how far it is settled."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hmac import compare_digest
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from msgspec import convert

from inference.audio import to_ms
from inference.messages import Checkpoint
from transcription.models import ResumePoint, Segment, Session
from transcription.protocol import Done, FinalResult, Gap, Start, Word

MAX_REPLAYED: Final = 256
"""Finals that a client which comes back is told at most, the newest: as many as a process keeps. It lacks a few in truth."""


def hash_of(token: str) -> str:
    """What is kept of a resume token: it is 32 random bytes, so nothing slower than SHA-256 is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ResumeRight:
    """Of a session that begins. `options`: its `start`."""

    token_hash: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hold:
    """Who writes a session, and how far it is settled with what is written."""

    epoch: int
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A session as its last process left it. `done`: it had come to its end."""

    epoch: int
    start: Start
    model: str
    checkpoint: Checkpoint
    finals: Sequence[FinalResult] = ()
    gaps: Sequence[Gap] = field(default_factory=list)
    done: Done | None = None


def grant(session_id: UUID, right: ResumeRight) -> None:
    """Let a stored session be resumed. A second call changes nothing."""
    if Session.objects.filter(pk=session_id).exists():
        point = ResumePoint(session_id=session_id, token_hash=right.token_hash, options=right.options)
        ResumePoint.objects.bulk_create([point], ignore_conflicts=True)


def revoke(session_id: UUID) -> None:
    """Let a session be resumed no more."""
    ResumePoint.objects.filter(pk=session_id).delete()


def advance(session_id: UUID, hold: Hold, options: dict[str, Any] | None = None) -> bool:
    """Note that a session is settled up to the checkpoint of `hold`; False if another process has it, or it is gone."""
    checkpoint = hold.checkpoint
    changed = {"options": options} if options is not None else {}
    held = ResumePoint.objects.filter(pk=session_id, epoch=hold.epoch)
    return bool(
        held.update(
            transcribed_samples=checkpoint.transcribed_samples,
            silence_samples=checkpoint.silence_samples,
            gap_samples=checkpoint.gap_samples,
            next_segment=checkpoint.next_segment,
            updated_at=timezone.now(),
            **changed,
        )
    )


def is_held(session_id: UUID, epoch: int) -> bool | None:
    """Whether `epoch` is the session's newest; None where the session is not stored yet."""
    newest = ResumePoint.objects.filter(pk=session_id).values_list("epoch", flat=True).first()
    return None if newest is None else newest == epoch


def taken_away(epochs: dict[UUID, int]) -> list[UUID]:
    """Those of our sessions that another process has by now."""
    newest = ResumePoint.objects.filter(pk__in=epochs).values_list("pk", "epoch")
    return [session_id for session_id, epoch in newest if epoch != epochs[session_id]]


@transaction.atomic
def take_over(session_id: UUID, token: str, owner_id: int | None, next_segment: int, within_s: int) -> TakenOver | None:
    """Become the one that writes a session; None if there is no such session, or no right to it, or it is over for longer
    than `within_s`.
    """
    point = ResumePoint.objects.select_for_update().select_related("session").filter(pk=session_id).first()
    if point is None or not compare_digest(point.token_hash, hash_of(token)) or point.session.owner_id != owner_id:
        return None
    session = point.session
    is_lost = session.status == Session.Status.FAILED and session.error_code
    if is_lost or max(session.last_seen_at, point.updated_at) < timezone.now() - timedelta(seconds=within_s):
        return None
    point.epoch += 1
    point.save(update_fields=["epoch", "updated_at"])
    return TakenOver(
        epoch=point.epoch,
        start=convert(point.options, Start),
        model=session.model,
        checkpoint=_checkpoint(point),
        finals=finals_since(session_id, next_segment),
        gaps=convert([{"type": "gap", **gap} for gap in session.gaps], list[Gap]),
        done=_done(session, point.next_segment),
    )


def finals_since(session_id: UUID, next_segment: int) -> list[FinalResult]:
    """Stored finals from that number on; of many the newest, so that none is left out before the next."""
    newest = Segment.objects.filter(session=session_id, number__gte=next_segment).order_by("-number")[:MAX_REPLAYED]
    return [
        FinalResult(
            segment=segment.number,
            text=segment.text,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            language=segment.language,
            confidence=segment.confidence,
            model=segment.model,
            words=convert(segment.words, list[Word]),
            revised=segment.revised,
        )
        for segment in reversed(newest)
    ]


def account_for(session_ids: Sequence[UUID]) -> None:
    """Enter in sessions what their resume points know of them."""
    for point in ResumePoint.objects.filter(pk__in=session_ids):
        parts = {
            "transcribed_ms": to_ms(point.transcribed_samples),
            "silence_ms": to_ms(point.silence_samples),
            "gap_ms": to_ms(point.gap_samples),
        }
        Session.objects.filter(pk=point.pk).update(received_ms=sum(parts.values()), **parts)


def drop_resume_points(older_than: timedelta) -> int:
    """Forget those of sessions that nobody has written for so long; returns how many."""
    is_over = ~Q(session__status=Session.Status.LIVE)
    num_rows, _by_model = ResumePoint.objects.filter(is_over, updated_at__lt=timezone.now() - older_than).delete()
    return num_rows


def _checkpoint(point: ResumePoint) -> Checkpoint:
    return Checkpoint(
        transcribed_samples=point.transcribed_samples,
        silence_samples=point.silence_samples,
        gap_samples=point.gap_samples,
        next_segment=point.next_segment,
    )


def _done(session: Session, num_segments: int) -> Done | None:
    """What a client has to be told of a session that is over."""
    if session.status not in {Session.Status.COMPLETE, Session.Status.INCOMPLETE} or session.error_code:
        return None
    return Done(
        session=str(session.pk),
        received_ms=session.received_ms,
        transcribed_ms=session.transcribed_ms,
        silence_ms=session.silence_ms,
        gap_ms=session.gap_ms,
        num_segments=num_segments,
        complete=session.is_complete,
    )
