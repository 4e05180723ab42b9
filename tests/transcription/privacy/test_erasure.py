"""Whoever wants it has all forgotten that they have said: what is stored, what is being spoken, and what comes late."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from tests.factories import make_session, make_user
from tests.transcription.privacy.stored import store_audio
from transcription import services
from transcription.listeners import Listener
from transcription.models import Erasure, Session
from transcription.privacy.erasure import PATIENCE, carry_out, pursue, request_erasure
from transcription.streaming.live import LiveStream, live_streams
from transcription.streaming.recorder import close_recorder
from transcription.streaming.warden import Warden

pytestmark = pytest.mark.django_db
LIVE = Session.Status.LIVE


def moved_back(wish: Erasure, by: timedelta) -> Erasure:
    wish.requested_at -= by
    wish.save()
    return wish


def test_all_of_ones_own_goes_and_nothing_of_others(audio_dir: Path, django_capture_on_commit_callbacks: Any) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    path = store_audio(make_session("alpha", owner=alice))
    make_session("bravo", owner=alice)
    others = {make_session("charlie", owner=bob), make_session("delta")}
    wish = request_erasure(alice.pk)

    with django_capture_on_commit_callbacks(execute=True):
        assert pursue() == 0

    assert set(Session.objects.all()) == others
    assert not path.exists()
    wish.refresh_from_db()
    assert wish.num_sessions == 2
    assert wish.finished_at is not None


def test_what_belongs_to_nobody_can_be_forgotten_too() -> None:
    kept = make_session("alpha", owner=make_user())
    make_session("bravo")
    request_erasure(None)

    pursue()

    assert set(Session.objects.all()) == {kept}


def test_what_begins_after_the_wish_is_kept() -> None:
    alice = make_user()
    wish = request_erasure(alice.pk)
    later = make_session("alpha", owner=alice, started_at=wish.requested_at + timedelta(seconds=1))

    pursue()

    assert set(Session.objects.all()) == {later}


def test_a_session_that_is_being_spoken_is_waited_for_and_then_not_any_longer() -> None:
    alice = make_user()
    make_session("alpha", owner=alice, status=LIVE)
    wish = request_erasure(alice.pk)

    assert not carry_out(wish)
    assert Session.objects.count() == 1
    assert carry_out(moved_back(wish, PATIENCE))
    assert Session.objects.count() == 0


def test_a_wish_that_is_repeated_while_it_is_open_stays_one_and_covers_more() -> None:
    alice = make_user()
    make_session(owner=alice, status=LIVE)
    first = moved_back(request_erasure(alice.pk), timedelta(seconds=5))

    second = request_erasure(alice.pk)

    assert second.pk == first.pk
    assert second.requested_at > first.requested_at
    assert carry_out(first) is False  # it knows of the first time only
    assert Erasure.objects.get().finished_at is None


def test_a_session_whose_beginning_is_stored_late_is_not_stored_any_more() -> None:
    alice = make_user()
    wish = request_erasure(alice.pk)
    pursue()

    def starts(at: Any) -> bool:
        session = make_session(owner=alice)  # for its number
        Session.objects.all().delete()
        services.start_session(services.SessionStarted(session.pk, alice.pk, "tests", "m", "en", at))
        return Session.objects.exists()

    assert not starts(wish.requested_at - timedelta(seconds=1))
    assert starts(wish.requested_at + timedelta(seconds=1))


def test_a_wish_is_written_down_even_while_valkey_is_away(django_capture_on_commit_callbacks: Any) -> None:
    with (
        patch("transcription.privacy.erasure.current_app.send_task", side_effect=OperationalError),
        django_capture_on_commit_callbacks(execute=True),
    ):
        request_erasure(None)

    assert Erasure.objects.filter(finished_at=None).count() == 1


@pytest.fixture
async def guard() -> AsyncIterator[Warden]:
    guard = Warden()
    yield guard
    await guard.close()
    await close_recorder()
    await sync_to_async(connections.close_all)()


@sync_to_async
def spoken_by(name: str) -> tuple[int, Session]:
    user = make_user(name)
    return user.pk, make_session(owner=user, status=LIVE, started_at=timezone.now())


@pytest.mark.django_db(transaction=True)
async def test_live_sessions_of_whoever_wants_it_are_ended_and_those_of_others_go_on(guard: Warden) -> None:
    spoken = [await spoken_by(name) for name in ("alice", "bob")]
    streams = [LiveStream(Listener(user_id, is_trusted_anonymous=False), "tests", session.pk) for user_id, session in spoken]
    await sync_to_async(request_erasure)(spoken[0][0])

    await guard.look()
    await asyncio.sleep(0)

    assert [stream.finished.is_set() for stream in streams] == [True, False]
    assert list(live_streams().values()) == [streams[1]]
    streams[1].forget()
