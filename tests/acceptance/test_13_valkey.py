"""Valkey: neither audio nor text passes through it, and sessions do not notice when it hangs, restarts or forgets."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass

import psycopg
import pytest
import redis
from channels_redis.core import RedisChannelLayer

from asr_project.serve import topology
from tests.acceptance.services import Service, own_valkey
from tests.acceptance.sessions import status_of, stored_texts, wait_until_over
from tests.inference.worker import say, wait_until
from tests.stack import Stack, running_stack
from tests.stream_client import StreamClient, assert_well_formed, open_stream

SENTENCES = ("alpha bravo charlie", "delta echo foxtrot", "golf hotel india", "juliett kilo lima", "mike november oscar")
MOST_BYTES = 2_000
"""For our own questions and their passwords; one sentence of audio has a hundred thousand."""


@dataclass(frozen=True)
class Site:
    """A stack with a Valkey of its own, and Celery's worker as soon as a test starts it."""

    stack: Stack
    valkey: Service

    def received_bytes(self) -> int:
        """What Valkey was sent so far, by anybody."""
        with redis.Redis.from_url(self.valkey.url) as client:
            total: int = client.info("stats")["total_net_input_bytes"]
        return total


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("valkey")
    with own_valkey() as valkey, running_stack(folder, HARK_MODELS="fake", REDIS_URL=valkey.url) as stack:
        yield Site(stack, valkey)


async def say_each(client: StreamClient, *sentences: str) -> None:
    """Each once the final of the one before has been read."""
    for sentence in sentences:
        await client.send(say(sentence, 1.0))
        await client.expect("final")


def assert_nothing_passed_through(num_bytes: int) -> None:
    assert num_bytes <= MOST_BYTES


async def test_neither_audio_nor_text_of_four_sessions_passes_through_valkey(site: Site) -> None:
    before = site.received_bytes()
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(site.stack.ws_url)) for _ in range(4)]
        await asyncio.gather(*(say_each(client, *SENTENCES) for client in clients))
        await asyncio.gather(*(client.finish() for client in clients))

    assert [client.words for client in clients] == [" ".join(SENTENCES).split()] * 4
    assert_nothing_passed_through(site.received_bytes() - before)


async def test_audio_on_the_channel_layer_would_be_noticed(site: Site) -> None:
    layer = RedisChannelLayer([{"address": site.valkey.url}])
    before = site.received_bytes()
    await layer.send("somebody", {"type": "audio", "payload": say(SENTENCES[0])})
    await layer.close_pools()

    with pytest.raises(AssertionError):
        assert_nothing_passed_through(site.received_bytes() - before)


Disturbance = Callable[[Service], AbstractContextManager[None]]


@contextmanager
def frozen(valkey: Service) -> Iterator[None]:
    valkey.freeze()
    try:
        yield
    finally:
        valkey.thaw()


@contextmanager
def stopped(valkey: Service) -> Iterator[None]:
    valkey.stop()
    try:
        yield
    finally:
        valkey.start()


@contextmanager
def flushed(valkey: Service) -> Iterator[None]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    yield


async def spoken_through(site: Site, disturbed: Disturbance) -> list[StreamClient]:
    """Three speakers who go on through it, and a fourth who comes in the middle of it."""
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(site.stack.ws_url)) for _ in range(3)]
        await asyncio.gather(*(say_each(client, SENTENCES[0]) for client in clients))
        with disturbed(site.valkey):
            clients.append(await opened.enter_async_context(open_stream(site.stack.ws_url)))
            await asyncio.gather(*(say_each(client, *SENTENCES[1:4]) for client in clients))
            status, _body = await asyncio.to_thread(site.stack.get, "/readyz")
            assert status == 200
        await asyncio.gather(*(say_each(client, SENTENCES[4]) for client in clients))
        await asyncio.gather(*(client.finish() for client in clients))
    return clients


def assert_undisturbed(stack: Stack, client: StreamClient, sentences: list[str]) -> None:
    """Every final was announced and is stored, and the socket was closed as it should be."""
    assert_well_formed(client.messages)
    assert client.code == 1000
    assert [final["text"] for final in client.of("final")] == sentences
    assert stored_texts(stack, client.session) == sentences


@pytest.mark.parametrize("disturbed", [frozen, stopped, flushed])
async def test_no_final_is_lost_and_no_socket_dropped(site: Site, disturbed: Disturbance) -> None:
    clients = await spoken_through(site, disturbed)

    for client in clients[:3]:
        assert_undisturbed(site.stack, client, list(SENTENCES))
    assert_undisturbed(site.stack, clients[3], list(SENTENCES[1:]))


async def test_a_dropped_socket_or_a_lost_final_would_be_noticed(site: Site) -> None:
    async with open_stream(site.stack.ws_url) as client:
        await say_each(client, *SENTENCES[:2])
        await asyncio.to_thread(wait_until, lambda: stored_texts(site.stack, client.session) == list(SENTENCES[:2]))
        client.socket.transport.abort()

    with pytest.raises(AssertionError):
        assert_undisturbed(site.stack, client, list(SENTENCES[:2]))
    client.messages.append({"type": "done"} | dict.fromkeys(("received_ms", "transcribed_ms", "silence_ms", "gap_ms"), 0))
    client.code = 1000
    assert_undisturbed(site.stack, client, list(SENTENCES[:2]))
    with pytest.raises(AssertionError):
        assert_undisturbed(site.stack, client, list(SENTENCES[:3]))


async def test_tasks_are_done_again_after_valkey_was_restarted_and_flushed(site: Site) -> None:
    """What Celery's worker does: it closes a session whose web process has died."""
    worker = site.stack.spawn(topology.worker(site.stack.environment))
    await asyncio.to_thread(wait_until, lambda: is_waited_for_tasks(site.valkey))
    async with open_stream(site.stack.ws_url) as client:
        await say_each(client, SENTENCES[0])
        site.stack.signal("web", signal.SIGKILL)
    let_time_pass(site.stack, client.session)
    with stopped(site.valkey):
        assert status_of(site.stack, client.session) == "live"
    with flushed(site.valkey):
        await asyncio.to_thread(ask_for, site.stack, "transcription.tasks.close_abandoned_sessions")

    await asyncio.to_thread(wait_until_over, site.stack, client.session, 30.0)
    assert status_of(site.stack, client.session) == "incomplete"
    assert worker.poll() is None


def is_waited_for_tasks(valkey: Service) -> bool:
    with redis.Redis.from_url(valkey.url) as client:
        return any(peer["cmd"] == "brpop" for peer in client.client_list())


def let_time_pass(stack: Stack, session: str) -> None:
    """As if its web process had not been heard of for an hour."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute(
            "UPDATE transcription_session SET last_seen_at = last_seen_at - interval '1 hour' WHERE id = %s", [session]
        )


def ask_for(stack: Stack, task: str) -> None:
    subprocess.run([sys.executable, "-m", "celery", "-q", "-A", "asr_project", "call", task], env=stack.environment, check=True)
