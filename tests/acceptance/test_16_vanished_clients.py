"""Check 16: a client that vanishes or does not read keeps nothing: no socket, no place, no memory; what it said is stored."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import psutil
import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.sessions import status_of, stored_texts, wait_until_over
from tests.acceptance.speakers import UNFINISHED, WHOLE, begin, numbered, stopped_speakers
from tests.acceptance.web_processes import CLINGING_SITE, IMPATIENT_SITE, WebProcess, another_web
from tests.inference.worker import say, wait_until
from tests.stack import HOST, Stack, running_stack
from tests.stream_client import Message, StreamClient, open_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MAX_STREAMS = 8
NUM_WAVES = 4
PING_S, PONG_S = 0.5, 1.0
NEVER_S = 1_000
RESUME_S = 4
LET_GO_WITHIN_S = 30.0
KEPT_FOR_S = 2 * (PING_S + PONG_S)
REST = "foxtrot golf"
MAX_CLIENT_BYTES = 2 * 1024 * 1024
MAX_LEFT_BYTES = MAX_CLIENT_BYTES // 8
"""Of each client, when it is gone: what differs between one run and the next anyway."""
SMALL_BUFFER_BYTES = 4_096
NUM_UNREAD = 6_000
FINAL_EVERY = 20
PING = json.dumps({"type": "ping", "id": "x" * 250})
FINALIZE = json.dumps({"type": "finalize"})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Room for eight streams: a ninth gets in only when one of them is over."""
    with running_stack(tmp_path_factory.mktemp("vanished"), HARK_MODELS="fake", HARK_MAX_STREAMS=str(MAX_STREAMS)) as stack:
        yield stack


@pytest.fixture(scope="module")
def hasty(stack: Stack) -> Iterator[WebProcess]:
    """Lets a client go after 1.5 s without an answer instead of 45; its session waits for it for 4 s instead of 120."""
    with another_web(stack, "hasty", ping_s=PING_S, pong_s=PONG_S, HARK_RESUME_S=str(RESUME_S)) as web:
        yield web


@pytest.fixture(scope="module")
def pingless(stack: Stack) -> Iterator[WebProcess]:
    """Does not ask whether anybody is there; notices when nobody takes what it writes."""
    with another_web(stack, "pingless", application=IMPATIENT_SITE, ping_s=NEVER_S) as web:
        yield web


# Clients that are there and are not


@asynccontextmanager
async def deaf(url: str) -> AsyncIterator[StreamClient]:
    """A speaker in mid-sentence who from then on reads nothing: no message, no ping, no close."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        raw.connect((HOST, int(url.rsplit(":", 1)[1].split("/")[0])))
        async with connect(url, sock=raw, max_size=None, ping_interval=None, compression=None) as connection:
            client = StreamClient(connection)
            await begin(client, reliable=False)
            connection.transport.pause_reading()
            yield client
            connection.transport.abort()


async def deaf_crowd(opened: AsyncExitStack, url: str) -> list[StreamClient]:
    """As many as there is room for."""
    return await asyncio.gather(*(opened.enter_async_context(deaf(url)) for _ in range(MAX_STREAMS)))


async def ask_without_end(client: StreamClient) -> None:
    """For answers that nobody reads: finals among them."""
    with suppress(ConnectionClosed):
        for number in range(NUM_UNREAD):
            await client.socket.send(PING if number % FINAL_EVERY else FINALIZE)


# What there is of them in the web process and in the store


def sockets_of(web: WebProcess) -> int:
    """Connections of its port, in whatever state."""
    found = psutil.Process(web.pid).net_connections("tcp")
    return sum(bool(entry.laddr) and entry.laddr.port == web.port and entry.status != psutil.CONN_LISTEN for entry in found)


def rss_bytes(web: WebProcess) -> int:
    return int(psutil.Process(web.pid).memory_info().rss)


async def assert_let_go(web: WebProcess, within_s: float = LET_GO_WITHIN_S) -> None:
    """None of the sockets is left."""
    await asyncio.to_thread(wait_until, lambda: sockets_of(web) == 0, within_s)


async def assert_stored(stack: Stack, sessions: Sequence[str], texts: list[str]) -> None:
    """All that was said, in sessions that are over."""
    for session in sessions:
        await asyncio.to_thread(wait_until_over, stack, session, LET_GO_WITHIN_S)
        assert (status_of(stack, session), stored_texts(stack, session)) == ("complete", texts)


async def answer_to_start(client: StreamClient) -> str:
    """`ready`, or the code of the refusal."""
    await client.tell("start")
    message = await client.until(lambda message: message["type"] in {"ready", "error"})
    return str(message.get("code", message["type"]))


async def assert_room(web: WebProcess) -> None:
    """For as many as there was at the beginning."""
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(web.ws_url)) for _ in range(MAX_STREAMS)]
        assert [await answer_to_start(client) for client in clients] == ["ready"] * MAX_STREAMS
        for client in clients:
            assert (await client.finish())[-1]["type"] == "done"


async def assert_full(web: WebProcess) -> None:
    async with open_stream(web.ws_url) as client:
        assert await answer_to_start(client) == "server_full"


def assert_small(before_bytes: int, after_bytes: int, num_clients: int, each_bytes: int = MAX_CLIENT_BYTES) -> None:
    assert after_bytes - before_bytes <= num_clients * each_bytes, f"{(after_bytes - before_bytes) / num_clients:.0f} bytes each"


# Plain sessions


async def test_what_clients_of_a_stopped_process_said_is_stored_and_their_places_are_free(
    stack: Stack, hasty: WebProcess
) -> None:
    with stopped_speakers(hasty.ws_url, MAX_STREAMS, reliable=False) as readies:
        await assert_let_go(hasty)

        await assert_stored(stack, [ready["session"] for ready in readies], [WHOLE, UNFINISHED])
        await assert_room(hasty)


@dataclass
class Unread:
    """Eight who ask and do not read: how much memory there was before, and at most while they were there."""

    sessions: list[str]
    before_bytes: int = 0
    most_bytes: int = 0


async def leave_unread(web: WebProcess) -> Unread:
    async with AsyncExitStack() as opened:
        clients = await deaf_crowd(opened, web.ws_url)
        unread = Unread([client.session for client in clients], rss_bytes(web))
        asking = [asyncio.create_task(ask_without_end(client)) for client in clients]
        looking = asyncio.create_task(look_at_memory(web, unread))
        try:
            await assert_let_go(web)
        finally:
            looking.cancel()
            for client in clients:
                client.socket.transport.abort()
            await asyncio.wait(asking)
    return unread


async def look_at_memory(web: WebProcess, unread: Unread) -> None:
    while True:
        unread.most_bytes = max(unread.most_bytes, rss_bytes(web))
        await asyncio.sleep(0.02)


async def test_clients_that_never_read_are_let_go_when_finals_pile_up_and_weigh_little_until_then(
    stack: Stack, pingless: WebProcess
) -> None:
    unread = await leave_unread(pingless)

    assert_small(unread.before_bytes, unread.most_bytes, MAX_STREAMS)
    for session in unread.sessions:
        await asyncio.to_thread(wait_until_over, stack, session, LET_GO_WITHIN_S)
        assert stored_texts(stack, session)[:2] == [WHOLE, UNFINISHED]
        assert status_of(stack, session) == "complete"
    assert stack.log_of("pingless").read_text().count("the client does not read") == MAX_STREAMS
    await assert_room(pingless)


async def vanish_in_waves(stack: Stack, web: WebProcess) -> tuple[int, int]:
    """Memory after the first wave and after the last; a wave finds room only where the one before has left it."""
    after_bytes = []
    for _ in range(NUM_WAVES):
        async with AsyncExitStack() as opened:
            clients = await deaf_crowd(opened, web.ws_url)
            await assert_full(web)
            await assert_let_go(web)
            await assert_stored(stack, [client.session for client in clients], [WHOLE, UNFINISHED])
        after_bytes.append(rss_bytes(web))
    return after_bytes[0], after_bytes[-1]


async def test_what_32_half_open_clients_in_a_row_said_is_stored_and_nothing_else_of_them_is_left(
    stack: Stack, hasty: WebProcess
) -> None:
    first_bytes, last_bytes = await vanish_in_waves(stack, hasty)

    assert_small(first_bytes, last_bytes, (NUM_WAVES - 1) * MAX_STREAMS, MAX_LEFT_BYTES)
    await assert_let_go(hasty)
    await assert_room(hasty)


# Reliable sessions


async def go_on(web: WebProcess, ready: Message) -> list[str]:
    """The texts of a client that is back, says the rest of its sentence, and ends; none if its session was given up."""
    async with open_stream(web.ws_url) as client:
        await client.tell("resume", session=ready["session"], token=ready["resume_token"], next_segment=1)
        resumed = await client.until(lambda message: message["type"] in {"resumed", "error"})
        if resumed["type"] == "error":
            return []
        rest = say(REST)
        with suppress(ConnectionClosed):
            await client.socket.send(numbered(rest, 2 * resumed["offset"]))
            await client.tell("end", samples=resumed["offset"] + len(rest) // 2)
        await client.read_all()
    return [final["text"] for final in client.of("final")]


def assert_went_on(texts: list[str]) -> None:
    assert texts == [f"{UNFINISHED} {REST}"]


async def test_a_reliable_session_waits_for_its_client_goes_on_or_ends_and_frees_its_place(
    stack: Stack, hasty: WebProcess
) -> None:
    with stopped_speakers(hasty.ws_url, MAX_STREAMS, reliable=True) as readies:
        await assert_let_go(hasty)
        back, lost = readies[: MAX_STREAMS // 2], readies[MAX_STREAMS // 2 :]
        await assert_full(hasty)

        for texts in await asyncio.gather(*(go_on(hasty, ready) for ready in back)):
            assert_went_on(texts)
        await assert_stored(stack, [ready["session"] for ready in back], [WHOLE, f"{UNFINISHED} {REST}"])
        await assert_stored(stack, [ready["session"] for ready in lost], [WHOLE, UNFINISHED])
        too_late = await go_on(hasty, lost[0])
        with pytest.raises(AssertionError):
            assert_went_on(too_late)
        await assert_room(hasty)


# Servers that do it wrong


async def test_a_socket_that_is_kept_would_be_noticed(pingless: WebProcess) -> None:
    """Nothing is written to it but a ping that never comes."""
    async with deaf(pingless.ws_url):
        with pytest.raises(AssertionError):
            await assert_let_go(pingless, KEPT_FOR_S)


async def test_a_word_that_is_not_stored_would_be_noticed(stack: Stack, hasty: WebProcess) -> None:
    async with deaf(hasty.ws_url) as client:
        await assert_stored(stack, [client.session], [WHOLE, UNFINISHED])
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("DELETE FROM transcription_segment WHERE number = 1 AND session_id = %s", [client.session])

    with pytest.raises(AssertionError):
        await assert_stored(stack, [client.session], [WHOLE, UNFINISHED])


async def test_places_and_memory_that_are_kept_would_be_noticed(stack: Stack) -> None:
    with another_web(stack, "clinging", application=CLINGING_SITE, ping_s=PING_S, pong_s=PONG_S) as clinging:
        await assert_room(clinging)
        before_bytes = rss_bytes(clinging)
        async with AsyncExitStack() as opened:
            await deaf_crowd(opened, clinging.ws_url)
            await assert_let_go(clinging)

        with pytest.raises(AssertionError, match="server_full"):
            await assert_room(clinging)
        with pytest.raises(AssertionError):
            assert_small(before_bytes, rss_bytes(clinging), MAX_STREAMS)
