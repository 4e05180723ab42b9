"""Storing what sessions say: once, in order, whatever the database does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import DataError, OperationalError, connections

from tests.factories import make_session
from transcription import services
from transcription.metrics.meters import web
from transcription.models import Segment, Session
from transcription.streaming import recorder as recorder_module
from transcription.streaming.recorder import Recorder, close_recorder, current_recorder, wait_stored

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
Store = Callable[[list[services.Entry]], None]


@pytest.fixture(autouse=True)
async def close_connections() -> AsyncIterator[None]:
    """Those of the thread that `sync_to_async` uses."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def recorder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recorder]:
    monkeypatch.setattr(recorder_module, "FIRST_RETRY_S", 0.01)
    made = Recorder()
    yield made
    await made.close()


def started(session_id: UUID) -> services.SessionStarted:
    return services.SessionStarted(session_id, None, "tests", "fake", "en", NOW)


def final(session_id: UUID, number: int = 0, text: str = "hello") -> services.SegmentFinished:
    return services.SegmentFinished(session_id, number, text, 0, 900, 0.9, "en", "fake", [])


def finished(session_id: UUID) -> services.SessionFinished:
    return services.SessionFinished(session_id, "complete", NOW, 1_000, 900, 100, 0)


@sync_to_async
def stored_texts(session_id: UUID) -> list[str]:
    return list(Segment.objects.filter(session_id=session_id).order_by("number").values_list("text", flat=True))


class Broken:
    """`services.store` that fails as long as it is told to, and counts."""

    def __init__(self, store: Store, error: Exception) -> None:
        self.store = store
        self.error = error
        self.is_broken = True
        self.num_calls = 0
        self.refused: str | None = None

    def __call__(self, entries: list[services.Entry]) -> None:
        self.num_calls += 1
        if self.refused is None and self.is_broken:
            raise self.error
        if any(isinstance(entry, services.SegmentFinished) and entry.text == self.refused for entry in entries):
            raise self.error
        self.store(entries)


@pytest.fixture
def database_away(monkeypatch: pytest.MonkeyPatch) -> Broken:
    broken = Broken(services.store, OperationalError("the server is away"))
    monkeypatch.setattr(services, "store", broken)
    return broken


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Makes the text "poison" fail with an error."""

    def arm(error: Exception) -> None:
        broken = Broken(services.store, error)
        broken.refused = "poison"
        monkeypatch.setattr(services, "store", broken)

    return arm


async def test_what_was_put_is_stored_in_order(recorder: Recorder) -> None:
    session_id = uuid4()
    recorder.put(started(session_id))
    recorder.put(final(session_id, 0, "one"))
    recorder.put(final(session_id, 1, "two"))
    stored = recorder.put(finished(session_id))

    assert await wait_stored(stored, 10)

    assert await stored_texts(session_id) == ["one", "two"]
    assert (await Session.objects.aget(pk=session_id)).status == "complete"


async def test_while_the_database_is_away_entries_wait_and_are_stored_once_later(
    recorder: Recorder, database_away: Broken
) -> None:
    session_id = uuid4()
    recorder.put(started(session_id))
    stored = recorder.put(final(session_id))
    assert not await wait_stored(stored, 0.1)
    assert (recorder.num_waiting, web.registry.get_sample_value("hark_database_up")) == (2, 0)

    database_away.is_broken = False

    assert await wait_stored(stored, 10)
    assert web.registry.get_sample_value("hark_database_up") == 1
    assert await stored_texts(session_id) == ["hello"]
    assert database_away.num_calls > 2
    assert recorder.num_waiting == 0


async def test_a_write_whose_answer_was_lost_is_repeated_without_harm(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction was committed, but the connection broke before the answer came."""
    session_id = uuid4()
    store, answers = services.store, [OperationalError("the connection is lost")]

    def store_and_lose_the_answer(entries: list[services.Entry]) -> None:
        store(entries)
        if answers:
            raise answers.pop()

    monkeypatch.setattr(services, "store", store_and_lose_the_answer)
    recorder.put(started(session_id))

    assert await wait_stored(recorder.put(final(session_id)), 10)

    assert await stored_texts(session_id) == ["hello"]


@pytest.mark.parametrize("error", [DataError("out of range"), ValueError("not storable"), TypeError("not serialisable")])
async def test_an_entry_that_can_never_be_stored_holds_up_no_other(
    recorder: Recorder, poison: Callable[[Exception], None], error: Exception
) -> None:
    poison(error)
    session_id = uuid4()
    recorder.put(started(session_id))
    recorder.put(final(session_id, 0, "one"))
    recorder.put(final(session_id, 1, "poison"))
    stored = recorder.put(final(session_id, 2, "three"))

    assert await wait_stored(stored, 10)

    assert await stored_texts(session_id) == ["one", "three"]
    assert await wait_stored(recorder.put(finished(session_id)), 10)


async def test_live_sessions_are_known_until_they_end(recorder: Recorder) -> None:
    session_id = uuid4()
    recorder.put(started(session_id))
    assert recorder.live == {session_id}

    recorder.put(finished(session_id))

    assert recorder.live == set()
    await recorder.flush(10)


async def test_live_sessions_are_touched_now_and_then(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    touched = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(services, "touch_sessions", lambda _ids: loop.call_soon_threadsafe(touched.set))
    monkeypatch.setattr(recorder_module, "TOUCH_EVERY_S", 0.01)
    other = Recorder()
    other.live.add(uuid4())

    await asyncio.wait_for(touched.wait(), 10)

    await other.close()


async def test_flush_waits_for_everything_and_says_when_it_took_too_long(recorder: Recorder, database_away: Broken) -> None:
    assert await recorder.flush(0)
    session_id = uuid4()
    recorder.put(started(session_id))
    assert not await recorder.flush(0.05)

    database_away.is_broken = False

    assert await recorder.flush(10)


async def test_a_final_of_a_session_that_was_deleted_is_dropped(recorder: Recorder) -> None:
    session = await sync_to_async(make_session)("kept")
    await sync_to_async(session.delete)()

    assert await wait_stored(recorder.put(final(session.pk, 1)), 10)

    assert await stored_texts(session.pk) == []


async def test_each_event_loop_has_one_recorder() -> None:
    first = current_recorder()
    assert current_recorder() is first

    await close_recorder()

    assert current_recorder() is not first
    await close_recorder()
    await close_recorder()
