"""Every write to the transcript tables. Each function is one transaction and may be repeated without harm; those that `store`
calls are part of its own, and take no savepoints: where one fails, all are repeated one by one.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from inference.logs import about
from transcription.models import ApiKey, Erasure, Segment, Session
from transcription.resumption import Hold, ResumeRight, account_for, advance, grant, revoke

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """`right`: of a reliable session. `key_id`: of the API key that it was opened with."""

    session_id: UUID
    owner_id: int | None
    client: str
    model: str
    language: str
    started_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict)
    right: ResumeRight | None = None
    key_id: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentFinished:
    """`words`: a list of {text, start_ms, end_ms, confidence}. `hold`: of a session that another process may take over."""

    session_id: UUID
    number: int
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    language: str
    model: str
    words: list[dict[str, Any]]
    revised: bool = False
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class CheckpointReached:
    """A reliable session is settled that far."""

    session_id: UUID
    hold: Hold
    gaps: list[dict[str, Any]]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """`status` is one of Session.Status; `latency` a summary in milliseconds."""

    session_id: UUID
    status: str
    ended_at: datetime
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    error_code: str = ""
    latency: dict[str, float] = field(default_factory=dict)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    hold: Hold | None = None
    is_given_up: bool = False


Entry = SessionStarted | SegmentFinished | CheckpointReached | SessionFinished


ABANDONED = "abandoned"


def storable(value: Any) -> Any:
    """`value` without what PostgreSQL cannot hold: NUL and lone surrogates in text, and numbers that are not finite.

    Such a value would fail its whole batch for ever, and with it the finals of other speakers.
    """
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        case float():
            return value if isfinite(value) else 0.0
        case Mapping():
            return {storable(key): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case _:
            return value


@transaction.atomic(savepoint=False)
def start_session(entry: SessionStarted) -> None:
    """Store a session that has begun. A second call changes nothing.

    A session whose owner was deleted meanwhile is not stored, nor are its finals: nobody else may read them. Nor is one whose
    owner wants all forgotten that had begun by then.
    """
    if reason := _unwanted(entry):
        logger.warning("Session %s dropped: %s.", entry.session_id, reason, extra=about(entry.session_id))
        return
    session = Session(
        id=entry.session_id,
        owner_id=entry.owner_id,
        key=ApiKey.objects.filter(pk=entry.key_id).first() if entry.key_id is not None else None,
        client=storable(entry.client)[:200],
        model=storable(entry.model)[:100],
        language=storable(entry.language)[:100],
        started_at=entry.started_at,
        metadata=storable(entry.metadata),
    )
    Session.objects.bulk_create([session], ignore_conflicts=True)
    if entry.right is not None:
        grant(entry.session_id, replace(entry.right, options=storable(entry.right.options)))


def _unwanted(entry: SessionStarted) -> str:
    """Why nobody may or wants to read it; empty: somebody does."""
    if entry.owner_id is not None and not get_user_model()._default_manager.filter(pk=entry.owner_id).exists():
        return "its owner is gone"
    is_erased = Erasure.objects.filter(user=entry.owner_id, requested_at__gte=entry.started_at).exists()
    return "its owner wanted it forgotten" if is_erased else ""


@transaction.atomic(savepoint=False)
def append_segment(entry: SegmentFinished) -> None:
    """Store a final. A second call with the same session and number changes nothing.

    A final of a session that was deleted meanwhile is dropped: its owner wanted the words gone. Times that make no sense
    are mended: they are no reason to lose what was said.
    """
    if entry.hold is not None and not advance(entry.session_id, entry.hold):
        _log_dropped(entry, "another process has the session")
        return
    if not touch_sessions([entry.session_id]):
        _log_dropped(entry, "the session is not stored")
        return
    start_ms = max(entry.start_ms, 0)
    segment = Segment(
        session_id=entry.session_id,
        number=entry.number,
        text=storable(entry.text),
        words=storable(entry.words),
        start_ms=start_ms,
        end_ms=max(entry.end_ms, start_ms),
        confidence=storable(entry.confidence),
        language=storable(entry.language)[:16],
        model=storable(entry.model)[:100],
        revised=entry.revised,
    )
    Segment.objects.bulk_create([segment], ignore_conflicts=True)


def _log_dropped(entry: SegmentFinished, why: str) -> None:
    subject = about(entry.session_id, segment=entry.number)
    logger.warning("Final %d of session %s dropped: %s.", entry.number, entry.session_id, why, extra=subject)


@transaction.atomic(savepoint=False)
def save_checkpoint(entry: CheckpointReached) -> None:
    """Note how far a session is settled; nothing is changed if another process has it."""
    if advance(entry.session_id, entry.hold, storable(entry.options)) and entry.gaps:
        Session.objects.filter(pk=entry.session_id).update(gaps=storable(entry.gaps))


@transaction.atomic(savepoint=False)
def finish_session(entry: SessionFinished) -> None:
    """Close a session with its accounting; one that was closed by its own stream already stays as it is."""
    if entry.hold is not None and not advance(entry.session_id, entry.hold):
        return
    open_ones = Session.objects.filter(Q(status=Session.Status.LIVE) | Q(error_code=ABANDONED), pk=entry.session_id)
    open_ones.update(
        status=entry.status,
        ended_at=entry.ended_at,
        last_seen_at=timezone.now(),
        received_ms=entry.received_ms,
        transcribed_ms=entry.transcribed_ms,
        silence_ms=entry.silence_ms,
        gap_ms=entry.gap_ms,
        gaps=storable(entry.gaps),
        error_code=entry.error_code[:64],
        latency=storable(entry.latency),
    )
    if entry.is_given_up:
        revoke(entry.session_id)


def store(entries: Sequence[Entry]) -> None:
    """Store `entries` in order, all or none."""
    with transaction.atomic():
        for entry in entries:
            match entry:
                case SessionStarted():
                    start_session(entry)
                case SegmentFinished():
                    append_segment(entry)
                case CheckpointReached():
                    save_checkpoint(entry)
                case SessionFinished():
                    finish_session(entry)


@transaction.atomic(savepoint=False)
def touch_sessions(session_ids: Iterable[UUID]) -> int:
    """Note that the web process of these sessions is alive; returns how many of them are stored.

    A session that was given up while the database or its process was away is live again; a closed one stays closed.
    """
    sessions = Session.objects.filter(pk__in=list(session_ids))
    num_seen = sessions.update(last_seen_at=timezone.now())
    sessions.filter(error_code=ABANDONED).update(status=Session.Status.LIVE, error_code="", ended_at=None)
    return num_seen


@transaction.atomic
def close_abandoned_sessions(older_than: timedelta) -> int:
    """Close live sessions whose web process has not been heard of for `older_than`; returns how many.

    What they had stored stays. Of a reliable session it is known how far it was settled; how much audio a plain one received
    is not, so its accounting stays at zero.
    """
    lost = Session.objects.filter(status=Session.Status.LIVE, last_seen_at__lt=timezone.now() - older_than)
    account_for(list(lost.filter(resume_point__isnull=False).values_list("pk", flat=True)))
    return lost.update(status=Session.Status.INCOMPLETE, error_code=ABANDONED, ended_at=F("last_seen_at"))


@transaction.atomic
def delete_session(session: Session) -> None:
    """Delete a session with all its segments; one that is gone already is no error.

    Raises:
        SessionIsLive: it is still being spoken.
    """
    stored = Session.objects.select_for_update().filter(pk=session.pk).first()
    if stored is None:
        return
    if stored.status == Session.Status.LIVE:
        raise SessionIsLive
    stored.delete()


class SessionIsLive(Exception):
    """The session cannot be deleted while it is being spoken."""
