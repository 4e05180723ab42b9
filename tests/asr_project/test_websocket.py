"""The connection class, in a real uvicorn on a real socket, with an application that does what each test needs."""

import asyncio
import inspect
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from asr_project import websocket
from asr_project.serve.topology import WS_CLASS
from tests.stack import free_port

MAX_BYTES = 100_000
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Application:
    """Accepts when it may, then reads when it may. `heard`: payloads. `over`: the code of the disconnect."""

    may_accept: asyncio.Event = field(default_factory=asyncio.Event)
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[bytes | str] = field(default_factory=list)
    over: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    floods: bool = False
    waits: bool = False
    flood_error: BaseException | None = None
    taken: list[bytes] = field(default_factory=list)
    takes: Callable[[bytes], bool] | None = None

    def take(self, payload: bytes) -> bool:
        """What the connection gives to the application without asking, where it `takes` something."""
        is_taken = self.takes is not None and self.takes(payload)
        if is_taken:
            self.taken.append(payload)
            self.heard.append(payload)
        return is_taken

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        if self.waits:
            await self.may_accept.wait()
        await send({"type": "websocket.accept"})
        if self.floods:
            await self._flood(send)
        if self.takes is not None:
            scope["extensions"][websocket.AUDIO_EXTENSION]["give_to"](self.take)
        while True:
            await self.may_read.wait()
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self.over.set_result(event["code"])
                return
            self.heard.append(event["bytes"] if event.get("bytes") is not None else event["text"])

    async def _flood(self, send: Send) -> None:
        try:
            while True:
                await send({"type": "websocket.send", "text": "x" * 100_000})
        except OSError as err:
            self.flood_error = err


@dataclass
class Running:
    app: Application
    server: uvicorn.Server
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def connections(self) -> set[Any]:
        return self.server.server_state.connections

    @property
    def connection(self) -> websocket.StreamSocket:
        (only,) = self.connections
        assert isinstance(only, websocket.StreamSocket)
        return only

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():  # noqa: ASYNC110 -- what is looked at is in uvicorn, which sets no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(app: Application, **options: Any) -> AsyncIterator[Running]:
    port = free_port()
    config = uvicorn.Config(
        cast(Any, app), port=port, loop="asyncio", lifespan="off", log_config=None, ws=cast(Any, WS_CLASS), ws_max_size=MAX_BYTES,
        ws_per_message_deflate=False, **options,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    try:
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield Running(app, server, port)
    finally:
        server.should_exit = server.force_exit = True
        await task


@asynccontextmanager
async def raw_client(port: int, path: str = "/stream", receive_bytes: int | None = None) -> AsyncIterator[socket.socket]:
    """A TCP socket behind the handshake, which answers nothing from then on."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, REQUEST.format(path=path).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await loop.sock_recv(client, 1)
        yield client


def readable() -> Application:
    app = Application()
    app.may_read.set()
    return app


# What a client says arrives


async def test_messages_of_every_kind_arrive_in_order() -> None:
    app = readable()
    async with running(app) as server, connect(server.url) as client:
        await client.send(b"\x01" * 6_400)
        await client.send("text ä")
        await client.send([b"in ", b"three ", b"pieces"])
        await client.send(b"")
        await client.send(b"\x02" * MAX_BYTES)
        async with asyncio.timeout(10):
            await (await client.ping())
        await server.until(lambda: len(app.heard) == 5)

    assert app.heard == [b"\x01" * 6_400, "text ä", b"in three pieces", b"", b"\x02" * MAX_BYTES]


async def test_frames_arrive_whole_however_the_network_cuts_them() -> None:
    app = readable()
    payloads = [bytes([number]) * 400 for number in range(50)]
    sent = b"".join(Frame(Opcode.BINARY, payload).serialize(mask=True) for payload in payloads)
    async with running(app) as server, raw_client(server.port) as client:
        for start in range(0, len(sent), 333):
            await asyncio.get_running_loop().sock_sendall(client, sent[start : start + 333])
            await asyncio.sleep(0)
        await server.until(lambda: len(app.heard) == len(payloads))

    assert app.heard == payloads


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(Frame(Opcode.BINARY, b"bad").serialize(mask=False), 1002, id="no mask"),
        pytest.param(Frame(Opcode.BINARY, bytes(MAX_BYTES + 1)).serialize(mask=True)[:100], 1009, id="too large"),
        pytest.param(Frame(Opcode.CONT, b"?").serialize(mask=True), 1002, id="goes on with nothing"),
        pytest.param(
            Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=True) + Frame(Opcode.BINARY, b"b").serialize(mask=True),
            1002,
            id="a binary frame in the middle of a text",
        ),
        pytest.param(b"\xc2" + Frame(Opcode.BINARY, b"a").serialize(mask=True)[1:], 1002, id="compressed, and nobody agreed to"),
    ],
)
async def test_what_is_against_the_rules_is_refused_by_the_library(sent: bytes, code: int) -> None:
    app = readable()
    good = Frame(Opcode.BINARY, b"good").serialize(mask=True)
    async with running(app) as server, raw_client(server.port) as client:
        await asyncio.get_running_loop().sock_sendall(client, good + sent)
        answer = b""
        async with asyncio.timeout(10):
            while chunk := await asyncio.get_running_loop().sock_recv(client, 1_000):
                answer += chunk

    assert answer[:1] == b"\x88"
    assert int.from_bytes(answer[2:4]) == code
    assert app.heard == [b"good"]


async def test_frames_behind_a_farewell_are_not_heard() -> None:
    app = readable()
    async with running(app) as server, raw_client(server.port) as client:
        frames = [Frame(Opcode.BINARY, b"a"), Frame(Opcode.CLOSE, b"\x03\xe8"), Frame(Opcode.BINARY, b"b")]
        await asyncio.get_running_loop().sock_sendall(client, b"".join(frame.serialize(mask=True) for frame in frames))
        async with asyncio.timeout(10):
            assert await app.over == 1000

    assert app.heard == [b"a"]


async def test_a_client_that_sends_before_it_was_let_in_is_heard_all_the_same() -> None:
    app = Application(waits=True)
    app.may_read.set()
    early, late = (Frame(Opcode.BINARY, word).serialize(mask=True) for word in (b"early", b"late"))
    async with running(app) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(REQUEST.format(path="/").encode())
        await server.until(lambda: any(isinstance(each, websocket.StreamSocket) for each in server.connections))
        writer.write(early[:4])
        await server.until(lambda: bool(server.connection.conn.reader.buffer))
        app.may_accept.set()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(early[4:] + late)
        await server.until(lambda: len(app.heard) == 2)
        writer.close()

    assert app.heard == [b"early", b"late"]


# A taker


async def test_audio_is_given_at_once_to_who_awaits_it_and_in_order_with_what_is_not_given() -> None:
    app = readable()
    app.takes = lambda payload: len(payload) < 50_000
    async with running(app) as server, connect(server.url) as client:
        sent: list[bytes | str] = []
        for number in range(40):
            sent += [bytes([number]) * 6_400, f"text {number}", bytes([number]) * 50_000, [b"two ", b"pieces"][number % 2]]
            for message in sent[-4:]:
                await client.send(message)
            await asyncio.sleep(0)
        await server.until(lambda: len(app.heard) == len(sent))

    assert app.heard == sent
    assert app.taken


async def test_nothing_is_given_while_the_application_is_busy_or_something_waits() -> None:
    app = Application()
    app.takes = lambda _payload: True
    async with running(app) as server, connect(server.url) as client:
        await client.send(b"\x01" * 6_400)
        await client.send(b"\x02" * 6_400)
        await server.until(lambda: server.connection.inbox.num_bytes > 12_800)
        app.may_read.set()
        await server.until(lambda: len(app.heard) == 2)
        taken_while_busy = list(app.taken)
        await server.until(lambda: server.connection.inbox.is_awaited)
        await client.send(b"\x03" * 6_400)
        await server.until(lambda: len(app.heard) == 3)

    assert taken_while_busy == []
    assert app.taken == [b"\x03" * 6_400]


# What waits is bounded


async def test_a_client_has_to_wait_when_the_application_does_not_read_and_nothing_is_lost() -> None:
    app = Application()
    payloads = [bytes([number]) * 50_000 for number in range(100)]
    async with running(app) as server, connect(server.url, write_limit=1_000) as client:

        async def send_all() -> None:
            for payload in payloads:
                await client.send(payload)

        sending = asyncio.create_task(send_all())
        await server.until(lambda: server.connection.read_paused)
        await asyncio.sleep(0.1)
        waiting_bytes = server.connection.inbox.num_bytes
        app.may_read.set()
        await server.until(lambda: len(app.heard) == len(payloads))
        await sending

    assert waiting_bytes < 2 * websocket.MAX_WAITING_BYTES
    assert app.heard == payloads


async def test_reading_does_not_stop_for_a_message_or_two() -> None:
    app = Application()
    async with running(app) as server, connect(server.url) as client:
        for number in range(10):
            await client.send(bytes([number]) * 6_400)
            await client.send(f"text {number}")
        await server.until(lambda: server.connection.inbox.num_bytes > 64_000)
        was_paused = server.connection.read_paused
        app.may_read.set()
        await server.until(lambda: len(app.heard) == 20)

    assert not was_paused


# Clients that vanish


async def test_a_client_that_answers_no_ping_is_let_go() -> None:
    app = readable()
    async with running(app, ws_ping_interval=0.1, ws_ping_timeout=0.2) as server, raw_client(server.port):
        async with asyncio.timeout(10):
            await app.over
        await server.until(lambda: not server.connections)


async def test_a_client_that_answers_no_ping_and_reads_nothing_is_let_go_too() -> None:
    app = Application(floods=True)
    app.may_read.set()
    async with running(app, ws_ping_interval=0.1, ws_ping_timeout=0.2) as server, raw_client(server.port, receive_bytes=4_096):
        async with asyncio.timeout(10):
            await app.over
        await server.until(lambda: not server.connections)

    assert app.flood_error is not None


async def test_uvicorns_own_class_would_keep_a_client_that_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that the two tests around this one look for."""
    monkeypatch.setattr(websocket.StreamSocket, "keepalive_timeout", WebSocketsSansIOProtocol.keepalive_timeout)
    app = Application(floods=True)
    async with running(app, ws_ping_interval=0.1, ws_ping_timeout=0.2) as server, raw_client(server.port, receive_bytes=4_096):
        await server.until(lambda: server.connection.close_sent)
        await asyncio.sleep(0.5)
        is_kept = bool(server.connections)
        server.connection.transport.abort()

    assert is_kept


async def test_a_client_that_takes_nothing_is_let_go_where_no_ping_would_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "DRAIN_WITHIN_S", 0.2)
    app = Application(floods=True)
    app.may_read.set()
    async with running(app, ws_ping_interval=None) as server, raw_client(server.port, receive_bytes=4_096):
        async with asyncio.timeout(10):
            await app.over

    assert app.flood_error is not None


async def test_a_client_that_does_not_take_the_farewell_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "DRAIN_WITHIN_S", 0.2)

    async def says_much_and_leaves(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": bytes(10_000_000)})

    app = cast(Any, says_much_and_leaves)
    async with running(app, ws_ping_interval=None) as server, raw_client(server.port, receive_bytes=4_096):
        await server.until(lambda: not server.connections)


async def test_a_client_is_not_blamed_for_a_pong_that_we_did_not_read() -> None:
    app = Application()
    pings = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.2}
    async with running(app, **pings) as server, connect(server.url, write_limit=1_000, ping_interval=None) as client:
        sending = asyncio.create_task(_send_much(client))
        await server.until(lambda: server.connection.read_paused)
        await asyncio.sleep(1.0)
        assert not app.over.done()
        app.may_read.set()
        await sending
        await server.until(lambda: sum(map(len, app.heard)) == 5_000_000)
        assert not app.over.done()


async def _send_much(client: ClientConnection) -> None:
    for _ in range(100):
        await client.send(bytes(50_000))


async def test_a_client_whose_audio_comes_stays_while_its_pong_is_awaited_and_is_let_go_when_nothing_comes() -> None:
    app = readable()
    frame = Frame(Opcode.BINARY, b"audio").serialize(mask=True)
    async with running(app, ws_ping_interval=0.1, ws_ping_timeout=0.3) as server, raw_client(server.port) as client:
        for _ in range(20):
            await asyncio.get_running_loop().sock_sendall(client, frame)
            await asyncio.sleep(0.05)
        was_let_go = app.over.done()
        async with asyncio.timeout(10):
            await app.over

    assert not was_let_go


async def test_a_client_that_answers_stays() -> None:
    app = readable()
    async with running(app, ws_ping_interval=0.05, ws_ping_timeout=0.2) as server, connect(server.url) as client:
        await asyncio.sleep(1.0)
        await client.send(b"still here")
        await server.until(lambda: bool(app.heard))


# Nothing that is said or sent with an address is logged


async def test_no_address_and_no_text_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = readable()
    async with running(app, log_level="trace") as server, raw_client(server.port, "/stream?ticket=canary") as client:
        await asyncio.get_running_loop().sock_sendall(client, Frame(Opcode.TEXT, b"canary").serialize(mask=True))
        await server.until(lambda: app.heard == ["canary"])

    assert "canary" not in "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)


# What is built on


def test_uvicorn_uses_of_its_queue_only_what_the_inbox_has() -> None:
    used = set(re.findall(r"self\.queue\.(\w+)", inspect.getsource(WebSocketsSansIOProtocol)))

    assert used == {"put_nowait", "get", "empty"}


@pytest.mark.parametrize(
    "name",
    [
        "keepalive_timeout", "pause_writing", "resume_writing", "connection_lost", "run_asgi", "send_receive_event_to_app",
        "receive", "data_received",
    ],
)  # fmt: skip
def test_uvicorn_still_has_what_is_overridden(name: str) -> None:
    assert callable(getattr(WebSocketsSansIOProtocol, name))


@pytest.mark.parametrize(
    "name",
    ["read_paused", "handshake_initiated", "handshake_complete", "close_sent", "disconnected", "pong_timer", "ping_timeout"],
)
def test_uvicorn_still_keeps_the_state_that_is_read(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(WebSocketsSansIOProtocol)
