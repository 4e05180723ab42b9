"""Writes: repeated, late and broken entries never lose what was said nor stop what others say."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError
from django.utils import timezone

from tests.factories import NINE_O_CLOCK, make_session
from transcription import services
from transcription.models import Segment, Session
from transcription.services import Entry, SegmentFinished, SessionFinished, SessionStarted, store
from transcription.tasks import close_abandoned_sessions

pytestmark = pytest.mark.django_db


def started(session_id: UUID, **fields: Any) -> SessionStarted:
    defaults: dict[str, Any] = {"owner_id": None, "client": "tests", "model": "m", "language": "en", "started_at": NINE_O_CLOCK}
    return SessionStarted(session_id=session_id, **defaults | fields)


def said(session_id: UUID, number: int = 0, text: str = "hello", **fields: Any) -> SegmentFinished:
    defaults: dict[str, Any] = {"start_ms": 0, "end_ms": 900, "confidence": 0.9, "language": "en", "model": "m", "words": []}
    return SegmentFinished(session_id=session_id, number=number, text=text, **defaults | fields)


def finished(session_id: UUID, **fields: Any) -> SessionFinished:
    defaults: dict[str, Any] = {
        "status": "complete",
        "received_ms": 3_000,
        "transcribed_ms": 900,
        "silence_ms": 2_100,
        "gap_ms": 0,
    }
    return SessionFinished(session_id=session_id, ended_at=NINE_O_CLOCK + timedelta(seconds=3), **defaults | fields)


def seen_at(session_id: UUID, moment: datetime) -> None:
    Session.objects.filter(pk=session_id).update(last_seen_at=moment)


def test_a_session_is_stored_from_start_to_end() -> None:
    session_id = uuid4()

    store([started(session_id, metadata={"room": 7}), said(session_id), finished(session_id, latency={"p50": 210.0})])

    session = Session.objects.get()
    assert (session.status, session.received_ms, session.metadata, session.latency) == (
        "complete",
        3_000,
        {"room": 7},
        {"p50": 210.0},
    )
    assert session.segments.get().text == "hello"


def test_entries_stored_twice_change_nothing() -> None:
    session_id = uuid4()
    entries: list[Entry] = [started(session_id), said(session_id), finished(session_id)]

    store(entries)
    store([*entries, said(session_id, text="something else"), finished(session_id, status="failed")])

    assert Segment.objects.get().text == "hello"
    assert Session.objects.get().status == "complete"


def test_a_batch_is_stored_as_a_whole_or_not_at_all() -> None:
    session_id = uuid4()

    with pytest.raises(DatabaseError):
        store([started(session_id), said(session_id), said(session_id, number=-1)])

    assert not Session.objects.exists()


def test_text_that_postgresql_cannot_hold_is_mended() -> None:
    session_id = uuid4()
    word = {"text": "a\0b", "start_ms": 0, "end_ms": 1, "confidence": float("nan")}

    store(
        [
            started(session_id, client="x\0" * 300, metadata={"k\0": ["\ud800", {"n": float("inf")}]}),
            said(session_id, text="one\0 two", confidence=float("nan"), words=[word], language="x" * 40),
        ]
    )

    session = Session.objects.get()
    assert (session.client, session.metadata) == ("x" * 200, {"k": ["?", {"n": 0.0}]})
    segment = session.segments.get()
    assert (segment.text, segment.confidence, segment.words[0]["text"]) == ("one two", 0.0, "ab")


def test_a_final_with_senseless_times_is_stored_all_the_same() -> None:
    session_id = uuid4()

    store([started(session_id), said(session_id, start_ms=-5, end_ms=-9), said(session_id, number=1, start_ms=9, end_ms=8)])

    assert list(Segment.objects.values_list("start_ms", "end_ms")) == [(0, 0), (9, 9)]


def test_a_session_of_a_deleted_user_is_not_stored_for_others_to_read() -> None:
    gone, here = uuid4(), uuid4()

    store([started(gone, owner_id=987_654), said(gone), finished(gone), started(here), said(here)])

    assert list(Session.objects.values_list("pk", flat=True)) == [here]


def test_a_final_of_a_deleted_session_does_not_stop_those_of_others() -> None:
    gone, here = uuid4(), uuid4()

    store([started(here), said(gone), said(here)])

    assert list(Segment.objects.values_list("session_id", flat=True)) == [here]


def test_a_live_session_that_nobody_reports_is_closed_as_incomplete() -> None:
    session_id = uuid4()
    store([started(session_id), said(session_id)])
    last_seen_at = timezone.now() - timedelta(minutes=6)
    seen_at(session_id, last_seen_at)

    close_abandoned_sessions()

    session = Session.objects.get()
    assert (session.status, session.error_code, session.ended_at) == ("incomplete", "abandoned", last_seen_at)
    assert session.segments.count() == 1


@pytest.mark.parametrize("status", ["complete", "incomplete", "failed"])
def test_a_closed_session_is_never_abandoned(status: str) -> None:
    session = make_session(status=status)
    seen_at(session.pk, NINE_O_CLOCK)

    assert services.close_abandoned_sessions(timedelta(minutes=5)) == 0


def test_a_session_that_is_reported_every_minute_stays_live() -> None:
    session_id = uuid4()
    store([started(session_id)])
    seen_at(session_id, timezone.now() - timedelta(minutes=6))

    assert services.touch_sessions([session_id, uuid4()]) == 1
    close_abandoned_sessions()

    assert Session.objects.get().status == "live"


def test_a_final_counts_as_a_sign_of_life() -> None:
    session_id = uuid4()
    store([started(session_id)])
    seen_at(session_id, NINE_O_CLOCK)

    store([said(session_id)])

    assert timezone.now() - Session.objects.get().last_seen_at < timedelta(minutes=1)


def test_a_session_given_up_too_early_goes_on_when_it_is_seen_again() -> None:
    session_id = uuid4()
    store([started(session_id)])
    seen_at(session_id, NINE_O_CLOCK)
    close_abandoned_sessions()

    store([said(session_id)])

    session = Session.objects.get()
    assert (session.status, session.error_code, session.ended_at) == ("live", "", None)


def test_the_true_end_of_a_session_given_up_too_early_wins() -> None:
    session_id = uuid4()
    store([started(session_id)])
    seen_at(session_id, NINE_O_CLOCK)
    close_abandoned_sessions()

    store([finished(session_id)])

    session = Session.objects.get()
    assert (session.status, session.error_code, session.received_ms) == ("complete", "", 3_000)


def test_a_touch_does_not_reopen_a_closed_session() -> None:
    session = make_session(status="failed", error_code="internal")

    services.touch_sessions([session.pk])

    session.refresh_from_db()
    assert (session.status, session.error_code) == ("failed", "internal")


def test_a_session_is_deleted_with_its_segments() -> None:
    session = make_session("one", "two")

    services.delete_session(session)
    services.delete_session(session)

    assert not Segment.objects.exists()


def test_a_session_that_went_live_again_meanwhile_is_not_deleted() -> None:
    session = make_session()
    Session.objects.update(status="live")

    with pytest.raises(services.SessionIsLive):
        services.delete_session(session)

    assert Session.objects.exists()
