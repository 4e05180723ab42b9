"""Who has a reliable session, and how far it is settled, as the database keeps it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from msgspec import to_builtins

from inference.messages import Checkpoint
from tests.factories import make_user
from transcription import resumption, services
from transcription.models import ResumePoint, Segment, Session
from transcription.protocol import Start
from transcription.resumption import Hold, ResumeRight, TakenOver, hash_of

pytestmark = pytest.mark.django_db
TOKEN = "a-long-random-token"
SETTLED = Checkpoint(transcribed_samples=16_000, silence_samples=8_000, gap_samples=1_600, next_segment=1)


def begin(owner: User | None = None, start: Start | None = None) -> UUID:
    session_id = uuid4()
    options = to_builtins(start or Start(reliable=True, endpoint_ms=700))
    started = services.SessionStarted(
        session_id=session_id,
        owner_id=owner.pk if owner else None,
        client="test",
        model="fake",
        language="en",
        started_at=datetime.now(UTC),
        right=ResumeRight(hash_of(TOKEN), options),
    )
    services.store([started])
    return session_id


def a_final(session_id: UUID, number: int, hold: Hold | None, text: str = "hello") -> services.SegmentFinished:
    return services.SegmentFinished(
        session_id=session_id,
        number=number,
        text=text,
        start_ms=0,
        end_ms=500,
        confidence=0.9,
        language="en",
        model="fake",
        words=[{"text": text, "start_ms": 0, "end_ms": 500, "confidence": 0.9}],
        hold=hold,
    )


def the_end(session_id: UUID, hold: Hold) -> services.SessionFinished:
    return services.SessionFinished(
        session_id=session_id,
        status="incomplete",
        ended_at=datetime.now(UTC),
        received_ms=1600,
        transcribed_ms=1000,
        silence_ms=500,
        gap_ms=100,
        gaps=[{"from_ms": 1000, "to_ms": 1100, "reason": "lost"}],
        hold=hold,
    )


def take(session_id: UUID, **given: Any) -> TakenOver | None:
    asked = {"token": TOKEN, "owner_id": None, "next_segment": 0, "within_s": 120} | given
    return resumption.take_over(session_id, **asked)


def test_the_next_process_learns_everything_that_the_last_one_stored() -> None:
    session_id = begin()
    services.store([a_final(session_id, 0, Hold(0, SETTLED))])

    taken = take(session_id)

    assert taken is not None
    assert (taken.epoch, taken.start.endpoint_ms, taken.model, taken.checkpoint) == (1, 700, "fake", SETTLED)
    assert [(final.segment, final.text, final.words[0].text) for final in taken.finals] == [(0, "hello", "hello")]
    assert taken.done is None


def test_a_session_whose_options_the_database_cannot_hold_is_stored_and_resumed_all_the_same() -> None:
    start = Start(reliable=True, metadata={"note": "a\0b"}, hotwords=["Har\0k"])
    session_id = begin(start=start)
    services.store([a_final(session_id, 0, Hold(0, SETTLED))])

    taken = take(session_id)

    assert taken is not None
    assert [final.text for final in taken.finals] == ["hello"]
    assert (taken.start.metadata, taken.start.hotwords) == ({"note": "ab"}, ["Hark"])


def test_only_the_finals_that_the_client_lacks_are_told() -> None:
    session_id = begin()
    services.store([a_final(session_id, number, Hold(0, SETTLED)) for number in range(3)])

    taken = take(session_id, next_segment=2)

    assert taken is not None
    assert [final.segment for final in taken.finals] == [2]


def test_of_more_finals_than_are_told_again_the_newest_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next final follows them without a hole."""
    monkeypatch.setattr(resumption, "MAX_REPLAYED", 2)
    session_id = begin()
    services.store([a_final(session_id, number, Hold(0, SETTLED)) for number in range(4)])

    taken = take(session_id)

    assert taken is not None
    assert [final.segment for final in taken.finals] == [2, 3]


def test_a_process_that_lost_a_session_can_write_nothing_of_it() -> None:
    session_id = begin()
    take(session_id)

    services.store([a_final(session_id, 0, Hold(0, SETTLED), "stale"), the_end(session_id, Hold(0, SETTLED))])
    services.store([a_final(session_id, 0, Hold(1, SETTLED), "fresh")])

    assert [segment.text for segment in Segment.objects.all()] == ["fresh"]
    assert Session.objects.get().status == "live"
    assert resumption.is_held(session_id, 1) is True
    assert resumption.is_held(session_id, 0) is False
    assert resumption.taken_away({session_id: 0}) == [session_id]


def test_a_final_and_how_far_it_settles_are_stored_as_one() -> None:
    session_id = begin()

    services.store([a_final(session_id, 0, Hold(0, SETTLED))])

    point = ResumePoint.objects.get()
    assert (point.transcribed_samples, point.silence_samples, point.gap_samples, point.next_segment) == (16_000, 8_000, 1_600, 1)


def test_a_session_that_is_over_is_resumed_to_its_last_message() -> None:
    session_id = begin()
    services.store([a_final(session_id, 0, Hold(0, SETTLED)), the_end(session_id, Hold(0, SETTLED))])

    taken = take(session_id)

    assert taken is not None
    assert taken.done is not None
    assert (taken.done.received_ms, taken.done.gap_ms, taken.done.complete, taken.done.num_segments) == (1600, 100, False, 1)
    assert [(gap.from_ms, gap.to_ms) for gap in taken.gaps] == [(1000, 1100)]


@pytest.mark.parametrize("wrong", [{"token": "another"}, {"token": ""}, {"owner_id": 7}])
def test_nobody_without_the_right_takes_a_session(wrong: dict[str, Any]) -> None:
    session_id = begin()

    assert take(session_id, **wrong) is None
    assert ResumePoint.objects.get().epoch == 0


def test_only_the_owner_takes_an_owned_session() -> None:
    ada = make_user("ada")
    session_id = begin(ada)

    assert take(session_id) is None
    assert take(session_id, owner_id=ada.pk) is not None


def test_a_session_that_was_given_up_long_ago_cannot_be_resumed() -> None:
    session_id = begin()
    long_ago = timezone.now() - timedelta(seconds=200)
    ResumePoint.objects.update(updated_at=long_ago)
    Session.objects.update(last_seen_at=long_ago)

    assert take(session_id) is None


def test_an_abandoned_session_is_accounted_for_as_far_as_it_was_settled() -> None:
    session_id = begin()
    services.store([a_final(session_id, 0, Hold(0, SETTLED))])
    Session.objects.update(last_seen_at=timezone.now() - timedelta(minutes=9))

    assert services.close_abandoned_sessions(timedelta(minutes=5)) == 1

    session = Session.objects.get()
    assert (session.received_ms, session.transcribed_ms, session.silence_ms, session.gap_ms) == (1600, 1000, 500, 100)


def test_resume_points_of_sessions_that_are_over_are_forgotten_after_a_while() -> None:
    finished, spoken = begin(), begin()
    services.store([the_end(finished, Hold(0, SETTLED))])
    ResumePoint.objects.update(updated_at=timezone.now() - timedelta(hours=1))

    assert resumption.drop_resume_points(timedelta(minutes=30)) == 1
    assert [point.pk for point in ResumePoint.objects.all()] == [spoken]


def test_the_token_itself_is_not_stored() -> None:
    begin()

    point = ResumePoint.objects.get()
    assert TOKEN not in f"{point.token_hash}{point.options}"
