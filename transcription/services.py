"""Every write to the transcript tables. Each function is one transaction and may be repeated without harm."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from transcription.models import Segment, Session


@dataclass(frozen=True, slots=True)
class SessionStarted:
    session_id: UUID
    owner_id: int | None
    client: str
    model: str
    language: str
    started_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SegmentFinished:
    """`words`: a list of {text, start_ms, end_ms, confidence}."""

    session_id: UUID
    number: int
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    language: str
    model: str
    words: list[dict[str, Any]]


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


Entry = SessionStarted | SegmentFinished | SessionFinished


def start_session(entry: SessionStarted) -> None:
    """Store a session that has begun."""
    Session.objects.bulk_create(
        [
            Session(
                id=entry.session_id,
                owner_id=entry.owner_id,
                client=entry.client[:200],
                model=entry.model,
                language=entry.language,
                started_at=entry.started_at,
                metadata=entry.metadata,
            )
        ],
        ignore_conflicts=True,
    )


def append_segment(entry: SegmentFinished) -> None:
    """Store a final. A second call with the same session and number changes nothing."""
    Segment.objects.bulk_create(
        [
            Segment(
                session_id=entry.session_id,
                number=entry.number,
                text=entry.text,
                words=entry.words,
                start_ms=entry.start_ms,
                end_ms=entry.end_ms,
                confidence=entry.confidence,
                language=entry.language,
                model=entry.model,
            )
        ],
        ignore_conflicts=True,
    )


def finish_session(entry: SessionFinished) -> None:
    """Close a live session with its accounting; one that is closed already stays as it is."""
    Session.objects.filter(pk=entry.session_id, status=Session.Status.LIVE).update(
        status=entry.status,
        ended_at=entry.ended_at,
        received_ms=entry.received_ms,
        transcribed_ms=entry.transcribed_ms,
        silence_ms=entry.silence_ms,
        gap_ms=entry.gap_ms,
        error_code=entry.error_code,
        latency=entry.latency,
    )


def store(entries: Sequence[Entry]) -> None:
    """Store `entries` in order, all or none."""
    with transaction.atomic():
        for entry in entries:
            match entry:
                case SessionStarted():
                    start_session(entry)
                case SegmentFinished():
                    append_segment(entry)
                case SessionFinished():
                    finish_session(entry)


def delete_session(session: Session) -> None:
    """Delete a session with all its segments.

    Raises:
        SessionIsLive: it is still being spoken.
    """
    if session.status == Session.Status.LIVE:
        raise SessionIsLive
    session.delete()


class SessionIsLive(Exception):
    """The session cannot be deleted while it is being spoken."""
