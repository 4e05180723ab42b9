"""Stored sessions, people and routes for tests, with sensible values where a test does not care."""

from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User

from transcription.exports import Transcript, TranscriptSegment, TranscriptWord
from transcription.models import ASRModel, ModelRoute, ModelSchedule, Segment, Session

NINE_O_CLOCK = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
MODEL = "whisper-tiny.en"
_minutes = count()


def make_user(name: str = "alice", **fields: Any) -> User:
    """Without a password, whose hash takes a third of a second; log in with `force_login`."""
    return User.objects.create_user(name, f"{name}@example.org", **fields)


def make_session(*texts: str, owner: User | None = None, **fields: Any) -> Session:
    """A complete session, each of `texts` a segment of two seconds; sessions start a minute apart."""
    started_at = fields.pop("started_at", NINE_O_CLOCK + timedelta(minutes=next(_minutes)))
    defaults: dict[str, Any] = {
        "status": Session.Status.COMPLETE,
        "ended_at": started_at + timedelta(seconds=10),
        "model": MODEL,
        "language": "en",
        "client": "tests",
    }
    session = Session.objects.create(owner=owner, started_at=started_at, **defaults | fields)
    for number, text in enumerate(texts):
        make_segment(session, number, text)
    return session


def make_segment(session: Session, number: int, text: str, **fields: Any) -> Segment:
    start_ms = number * 3_000
    defaults: dict[str, Any] = {
        "start_ms": start_ms,
        "end_ms": start_ms + 2_000,
        "confidence": 0.9,
        "language": session.language,
        "model": session.model,
        "words": [
            {"text": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms, "confidence": word.confidence}
            for word in spread_words(text, start_ms, start_ms + 2_000)
        ],
    }
    return Segment.objects.create(session=session, number=number, text=text, **defaults | fields)


def make_model(name: str, **fields: Any) -> ASRModel:
    """One of the catalogue that knows any language."""
    return ASRModel.objects.update_or_create(name=name, defaults={"multilingual": True} | fields)[0]


def make_route(model: str, language: str = "en", **fields: Any) -> ModelRoute:
    return ModelRoute.objects.create(model=make_model(model), language=language, **fields)


def make_schedule(route: ModelRoute, model: str, window: str, **fields: Any) -> ModelSchedule:
    """Every day, in UTC. window: `20:00-08:00`."""
    starts, ends = map(time.fromisoformat, window.split("-"))
    defaults: dict[str, Any] = {"days": list(range(7)), "starts": starts, "ends": ends}
    return ModelSchedule.objects.create(route=route, model=make_model(model), **defaults | fields)


def spread_words(text: str, start_ms: int, end_ms: int) -> tuple[TranscriptWord, ...]:
    """The words of `text`, one after another, equally long."""
    texts = text.split()
    step_ms = (end_ms - start_ms) // max(len(texts), 1)
    return tuple(
        TranscriptWord(word, start_ms + number * step_ms, start_ms + (number + 1) * step_ms, 0.9)
        for number, word in enumerate(texts)
    )


def a_final(text: str, start_ms: int = 0, end_ms: int = 2_000, *, has_words: bool = True, **fields: Any) -> TranscriptSegment:
    """A final that is not stored anywhere."""
    words = spread_words(text, start_ms, end_ms) if has_words else ()
    defaults: dict[str, Any] = {"number": 0, "confidence": 0.9, "language": "en", "model": MODEL, "words": words}
    return TranscriptSegment(text=text, start_ms=start_ms, end_ms=end_ms, **defaults | fields)


def a_transcript(*segments: TranscriptSegment, **fields: Any) -> Transcript:
    defaults: dict[str, Any] = {
        "session_id": uuid4(),
        "status": "complete",
        "error_code": "",
        "language": "en",
        "model": MODEL,
        "started_at": NINE_O_CLOCK,
        "ended_at": NINE_O_CLOCK + timedelta(seconds=10),
        "received_ms": 10_000,
        "transcribed_ms": 6_000,
        "silence_ms": 3_500,
        "gap_ms": 500,
    }
    return Transcript(segments=segments, **defaults | fields)
