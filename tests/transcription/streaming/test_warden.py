"""Whoever loses what let them in is shown out; everybody else stays, whatever the database does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import make_session, make_user
from transcription.access import door, keys
from transcription.access.door import Admission
from transcription.access.leases import Lease
from transcription.listeners import ALL_SCOPES, Listener
from transcription.models import ApiKey, ResumePoint, SocketLease
from transcription.streaming import warden
from transcription.streaming.warden import QUOTA_SPENT, REVOKED, Loss, Warden

pytestmark = pytest.mark.django_db(transaction=True)
LOCAL = Admission(Listener(user_id=None, is_trusted_anonymous=True))


@pytest.fixture
async def guard() -> AsyncIterator[Warden]:
    guard = Warden()
    yield guard
    await guard.close()
    await sync_to_async(connections.close_all)()


@sync_to_async
def by_session(name: str = "alice") -> tuple[Admission, Client]:
    client = Client()
    client.force_login(make_user(name))
    admission = door.of_session(client.cookies["sessionid"].value)
    assert admission is not None
    return admission, client


@sync_to_async
def by_key(name: str = "alice", **quotas: Any) -> Admission:
    owner = User.objects.filter(username=name).first() or make_user(name)
    _key, text = keys.make_key(owner, "gateway", ALL_SCOPES, **quotas)
    return door.of_key(text)


async def losses(guard: Warden, *admissions: Admission) -> list[list[Loss]]:
    """What each of them is told at one look."""
    told: list[list[Loss]] = [[] for _ in admissions]
    for admission, heard in zip(admissions, told, strict=True):
        guard.watch(admission, heard.append)
    await guard.look()
    await asyncio.sleep(0)
    return told


async def log_out(admission: Admission, client: Client) -> None:
    await sync_to_async(client.logout)()


def user_of(admission: Admission) -> int:
    assert admission.listener.user_id is not None
    return admission.listener.user_id


async def disable(admission: Admission, client: Client) -> None:
    await User.objects.filter(pk=user_of(admission)).aupdate(is_active=False)


async def change_password(admission: Admission, client: Client) -> None:
    user = await User.objects.aget(pk=user_of(admission))
    user.set_password("another")
    await user.asave()


async def delete_user(admission: Admission, client: Client) -> None:
    await User.objects.filter(pk=user_of(admission)).adelete()


async def nothing(admission: Admission, client: Client) -> None:
    pass


@pytest.mark.parametrize("event", [log_out, disable, change_password, delete_user])
async def test_a_person_who_loses_access_is_told_and_nobody_else(
    guard: Warden, event: Callable[[Admission, Client], Awaitable[None]]
) -> None:
    alice, client = await by_session("alice")
    bob, _client = await by_session("bob")
    await event(alice, client)

    assert await losses(guard, alice, bob, LOCAL) == [[REVOKED], [], []]


async def test_whoever_may_stay_is_told_nothing(guard: Warden) -> None:
    alice, _client = await by_session("alice")

    assert await losses(guard, alice, await by_key("bob"), LOCAL) == [[], [], []]


async def revoke(key: ApiKey) -> None:
    await sync_to_async(keys.revoke_key)(key)


async def expire(key: ApiKey) -> None:
    await ApiKey.objects.filter(pk=key.pk).aupdate(expires_at=timezone.now())


async def disable_owner(key: ApiKey) -> None:
    await User.objects.filter(pk=key.owner_id).aupdate(is_active=False)


@pytest.mark.parametrize("event", [revoke, expire, disable_owner])
async def test_a_key_that_is_over_closes_its_sockets_and_no_others(
    guard: Warden, event: Callable[[ApiKey], Awaitable[None]]
) -> None:
    gateway, other = await by_key("alice"), await by_key("bob")
    assert gateway.key is not None
    await event(gateway.key)

    assert await losses(guard, gateway, gateway, other) == [[REVOKED], [REVOKED], []]


async def test_each_is_told_once_and_not_after_it_has_left(guard: Warden) -> None:
    gateway = await by_key()
    staying: list[Loss] = []
    leaving: list[Loss] = []
    guard.watch(gateway, staying.append)
    guard.unwatch(guard.watch(gateway, leaving.append))
    await ApiKey.objects.aupdate(revoked_at=timezone.now())

    for _ in range(3):
        await guard.look()
        await asyncio.sleep(0)

    assert (staying, leaving) == ([REVOKED], [])


async def test_the_audio_of_live_sessions_counts_for_the_quota(guard: Warden) -> None:
    gateway = await by_key(max_audio_s_per_day=10)
    await sync_to_async(make_session)(owner=None, key=gateway.key, received_ms=4_000, started_at=timezone.now())
    heard: list[Loss] = []
    live_ms = 5_999
    guard.watch(gateway, heard.append, lambda: live_ms)

    await guard.look()
    await asyncio.sleep(0)
    before = list(heard)
    live_ms = 6_000
    await guard.look()
    await asyncio.sleep(0)

    assert (before, heard) == ([], [QUOTA_SPENT])


async def test_one_look_costs_at_most_four_queries_however_many_sockets_there_are(guard: Warden) -> None:
    admissions = [(await by_session(f"user-{number}"))[0] for number in range(5)]
    admissions += [await by_key(f"user-{number}", max_audio_s_per_day=100) for number in range(5)]

    def num_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            warden.find(admissions)
        return len(captured)

    assert 1 <= await sync_to_async(num_queries)() <= 4


async def test_local_visitors_cost_no_query(guard: Warden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden, "find", lambda _admissions: pytest.fail("the database was asked"))

    assert await losses(guard, LOCAL) == [[]]


async def test_while_the_database_is_away_everybody_stays_and_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden, "LOOK_EVERY_S", 0.01)
    find, asked = warden.find, 0

    def away_at_first(admissions: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise OperationalError
        return find(admissions)

    monkeypatch.setattr(warden, "find", away_at_first)
    gateway = await by_key()
    await ApiKey.objects.aupdate(revoked_at=timezone.now())
    told = asyncio.Event()
    guard = Warden()
    guard.watch(gateway, lambda _loss: told.set())

    await asyncio.wait_for(told.wait(), 10)

    assert asked == 3
    await guard.close()
    await sync_to_async(connections.close_all)()


async def test_a_fault_in_one_socket_does_not_end_the_watch_over_the_others(guard: Warden) -> None:
    def fail(_loss: Loss) -> None:
        raise ValueError

    heard: list[Loss] = []
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context["exception"]))
    gateway = await by_key()
    guard.watch(gateway, fail)
    guard.watch(gateway, heard.append)
    await ApiKey.objects.aupdate(revoked_at=timezone.now())

    await guard.look()
    await asyncio.sleep(0)

    assert heard == [REVOKED]
    assert [type(fault) for fault in faults] == [ValueError]


async def test_a_session_that_another_process_has_taken_is_put_down_here(guard: Warden, monkeypatch: pytest.MonkeyPatch) -> None:
    abandoned: list[str] = []

    def a_stream(name: str, epoch: int) -> Any:
        return SimpleNamespace(
            session_id=uuid4(), epoch=epoch, session=SimpleNamespace(can_resume=True), abandon=lambda: abandoned.append(name)
        )

    ours, taken, not_stored = a_stream("ours", 1), a_stream("taken", 1), a_stream("not stored yet", 0)
    for stream, epoch in ((ours, 1), (taken, 2)):
        session = await sync_to_async(make_session)(id=stream.session_id)
        await ResumePoint.objects.acreate(session=session, token_hash="x", epoch=epoch, options={})
    streams = {stream.session_id: stream for stream in (ours, taken, not_stored)}
    monkeypatch.setattr(warden, "live_streams", lambda: streams)

    await guard.look()
    await asyncio.sleep(0)

    assert abandoned == ["taken"]


async def test_places_are_renewed_before_they_are_forgotten(guard: Warden, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await by_key()
    lease = Lease(uuid4(), gateway.listener.user_id, gateway.listener.key_id, "")
    guard.watch(Admission(gateway.listener, key=gateway.key, lease=lease), lambda _loss: None)
    await guard.look()
    assert not await SocketLease.objects.aexists(), "too early"

    monkeypatch.setattr(warden, "RENEW_EVERY_S", 0.0)
    await guard.look()

    row = await SocketLease.objects.aget()
    assert row.pk == lease.id
    assert row.expires_at > timezone.now() + timedelta(seconds=50)
    assert warden.LOOK_EVERY_S <= 2.0
