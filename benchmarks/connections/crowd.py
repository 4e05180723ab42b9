"""The process with the quiet clients. It must leave its core to the speakers' clients, so it does no more than it has to:
frames are made beforehand, and of what the server says it reads pongs and counts the rest.
"""

import asyncio
import base64
import os
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final, cast

import uvloop

from asr_project.serve.capacity import allow_many_files
from benchmarks.connections.noise import FRAME_MS, client_frame, room_frames

TEXT, PING, PONG = 0x81, 0x89, 0x8A
SLOTS: Final = 100
"""Turns in the 200 ms of a frame, in each of which an equal share of the sockets sends."""
SLOT_S: Final = FRAME_MS / 1000 / SLOTS
PING_EVERY_SLOTS: Final = 10
OPENING_AT_ONCE: Final = 32
READY_WITHIN_S: Final = 60.0
START: Final = b'{"type":"start","language":"en","interim":true}'
LENGTH_16, LENGTH_64 = 126, 127


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    path: str = "/stream"


@dataclass(frozen=True, slots=True)
class Opened:
    """`num_ready` sockets were ready after `seconds`."""

    num_ready: int
    seconds: float


@dataclass(slots=True)
class Streamed:
    """A stretch of streaming. late_ms: of each turn. ping_ms: of each ping. num_lost: sockets that are closed by now."""

    num_frames: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    num_lost: int = 0
    late_ms: list[float] = field(default_factory=list)
    ping_ms: list[float] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)


class QuietSocket(asyncio.Protocol):
    """One client. `is_ready` is done when the server has said `ready`."""

    def __init__(self, address: Address, pings_ms: list[float], heard: Counter[str]) -> None:
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self.transport: asyncio.Transport
        self._address = address
        self._pings_ms = pings_ms
        self._heard = heard
        self._is_accepted = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self._address.path} HTTP/1.1\r\nHost: {self._address.host}:{self._address.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._is_accepted and not self._accept():
            return
        while (end := self._frame_end()) is not None:
            self._take(self._rest[:end])
            self._rest = self._rest[end:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if not self.is_ready.done():
            self.is_ready.set_exception(exc or ConnectionError("closed before ready"))

    def ping(self) -> None:
        self.transport.write(client_frame(PING, struct.pack("!d", time.monotonic())))

    def _accept(self) -> bool:
        head, mark, self._rest = self._rest.partition(b"\r\n\r\n")
        if not mark:
            self._rest = head
            return False
        if b" 101 " not in head[:16]:
            self.is_ready.set_exception(ConnectionError(head.partition(b"\r\n")[0].decode()))
            self.transport.abort()
            return False
        self._is_accepted = True
        self.transport.write(client_frame(TEXT, START))
        return True

    def _frame_end(self) -> int | None:
        """Where the first frame of a server ends (not masked), if it is whole."""
        rest = self._rest
        if len(rest) < 2:
            return None
        num_extended = {LENGTH_16: 2, LENGTH_64: 8}.get(rest[1], 0)
        length = int.from_bytes(rest[2 : 2 + num_extended]) if num_extended else rest[1]
        end = 2 + num_extended + length
        return end if len(rest) >= end else None

    def _take(self, frame: bytes) -> None:
        if frame[0] == PING:
            self.transport.write(client_frame(PONG, frame[2:]))
        elif frame[0] == PONG:
            self._pings_ms.append((time.monotonic() - struct.unpack("!d", frame[2:])[0]) * 1000)
        elif frame[0] == TEXT:
            kind = frame.partition(b'"type":"')[2].partition(b'"')[0].decode()
            self._heard[kind] += 1
            if kind == "ready" and not self.is_ready.done():
                self.is_ready.set_result(None)


class Crowd:
    """All quiet clients."""

    def __init__(self, address: Address, num_sockets: int) -> None:
        self.address = address
        self.num_sockets = num_sockets
        self.sockets: list[QuietSocket] = []
        self.failures: Counter[str] = Counter()
        self.pings_ms: list[float] = []
        self.heard: Counter[str] = Counter()
        self.rooms = room_frames()

    async def open(self) -> Opened:
        """Open all, a bounded number at the same time, as fast as the server lets us."""
        places = asyncio.Semaphore(OPENING_AT_ONCE)
        began_s = time.monotonic()
        await asyncio.gather(*(self._open_one(places) for _ in range(self.num_sockets)))
        return Opened(len(self.sockets), time.monotonic() - began_s)

    async def _open_one(self, places: asyncio.Semaphore) -> None:
        async with places:
            try:
                _transport, socket = await asyncio.get_running_loop().create_connection(
                    lambda: QuietSocket(self.address, self.pings_ms, self.heard), self.address.host, self.address.port
                )
                await asyncio.wait_for(socket.is_ready, READY_WITHIN_S)
            except (OSError, TimeoutError) as err:
                self.failures[f"{type(err).__name__}: {err}"] += 1
            else:
                self.sockets.append(socket)

    async def stream(self, pipe: Connection) -> Streamed:
        """Send until the next word comes through `pipe`."""
        found = Streamed()
        before_s, began_s = time.process_time(), time.monotonic()
        slots = [self.sockets[place::SLOTS] for place in range(SLOTS)]
        turn = 0
        while turn % SLOTS or not pipe.poll():
            self._send(slots[turn % SLOTS], turn // SLOTS, found)
            if turn % PING_EVERY_SLOTS == 0:
                self._ping(turn // PING_EVERY_SLOTS)
            turn += 1
            due_s = began_s + turn * SLOT_S
            found.late_ms.append(max(0.0, time.monotonic() - due_s) * 1000)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        pipe.recv()
        found.seconds, found.cpu_s = time.monotonic() - began_s, time.process_time() - before_s
        found.num_lost = sum(socket.is_lost for socket in self.sockets)
        found.ping_ms, found.heard = self.pings_ms.copy(), self.heard.copy()
        self.pings_ms.clear()
        self.heard.clear()
        return found

    def _send(self, sockets: list[QuietSocket], number: int, found: Streamed) -> None:
        for place, socket in enumerate(sockets):
            if not socket.is_lost:
                room = self.rooms[place % len(self.rooms)]
                socket.transport.write(room[(number + id(socket) // 64) % len(room)])
                found.num_frames += 1

    def _ping(self, number: int) -> None:
        if self.sockets and not (socket := self.sockets[number * 7 % len(self.sockets)]).is_lost:
            socket.ping()

    def close(self) -> None:
        for socket in self.sockets:
            socket.transport.abort()


def work(pipe: Connection, address: Address, num_sockets: int) -> None:
    """The process: does what it is told, "open" or "stream", and reports; "stream" goes on until the next word."""
    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_obey(pipe, address, num_sockets))


async def _obey(pipe: Connection, address: Address, num_sockets: int) -> None:
    crowd = Crowd(address, num_sockets)
    pipe.send("ready")
    while (word := await _next_word(pipe)) != "close":
        pipe.send((await crowd.open(), crowd.failures) if word == "open" else await crowd.stream(pipe))
    crowd.close()


async def _next_word(pipe: Connection) -> str:
    """The event loop goes on meanwhile: sockets that do not answer pings would be closed."""
    word: str = await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    return word
