"""The network's upper layer: WebSocket messages of reliable mode between one session's client and the server.

Frames of audio on their way to the server are lost, doubled, delayed and overtaken; at a chosen moment the wire is cut.
What happens to the n-th frame follows from the seed and n alone. A connection may be left half open: the server is not told
that its client is gone, and when the session goes on elsewhere the old connection talks again.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from benchmarks.network.wire import HOST, Stall, Wire, stretched

RATE_HZ: Final = 16_000
HEADER_BYTES: Final = 8
MAX_LATE_S: Final = 0.4
OLD_SOCKET_PATIENCE_S: Final = 10.0
LOUD_FRAME: Final = (b"\x00\x28" * 40 + b"\x00\xd8" * 40) * 400
"""Two seconds that any engine would hear."""
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the way to the server is. Shares of all frames of audio, 0 to 1."""

    seed: int = 0
    lost: float = 0.0
    doubled: float = 0.0
    overtaken: float = 0.0
    delay_s: float = 0.0

    def fate(self, number: int) -> tuple[float, ...]:
        """When copies of the client's frame of that number come out, in seconds from now; empty: it is lost."""
        random = Random(f"{self.seed} {number}")
        lot = random.random()
        late_s = random.uniform(0.02, MAX_LATE_S)
        if lot < self.lost:
            return ()
        if lot < self.lost + self.doubled:
            return (self.delay_s, self.delay_s + late_s)
        if lot < self.lost + self.doubled + self.overtaken:
            return (self.delay_s + late_s,)
        return (self.delay_s,)


@dataclass(frozen=True, slots=True)
class Cut:
    """The network goes away once, for `length_s`, at the moment that `at_s` seconds of audio or a message `on` pass.

    A message from the server that brings the cut does not arrive. `is_half_open`: the server keeps its connection; when the
    session has been resumed, the old one sends audio, finalize and end.
    """

    length_s: float
    at_s: float | None = None
    on: str | None = None
    is_half_open: bool = False


class Tamper:
    """What a faulty server would do, done on the way: for showing that it is noticed. This one does nothing."""

    def from_client(self, message: bytes | Message) -> list[bytes | Message]:
        """What goes to the server instead. bytes: a frame with its offset."""
        return [message]

    def from_server(self, message: Message) -> list[Message]:
        return [message]


@dataclass(slots=True)
class Told:
    """What the network did."""

    num_frames: int = 0
    num_lost: int = 0
    num_doubled: int = 0
    num_overtaken: int = 0
    num_cut: int = 0
    num_refused: int = 0
    num_stalled: int = 0
    num_old_sockets: int = 0
    num_late_events: int = 0


@dataclass(slots=True)
class Line:
    """The way of one session to the server. Make it with `laid`.

    upstreams: addresses of web processes; every connection goes to the first that answers. hops: every connection begins with
    the next one instead.
    """

    upstreams: Sequence[str]
    weather: Weather = Weather()
    cuts: Sequence[Cut] = ()
    stalls: Sequence[Stall] = ()
    tamper: Tamper = field(default_factory=Tamper)
    told: Told = field(default_factory=Told)
    wire: Wire = field(init=False)
    url: str = ""
    hops: bool = False
    _num_connections: int = 0
    _waiting: list[Cut] = field(default_factory=list)
    _resumed: asyncio.Event = field(default_factory=asyncio.Event)
    _old_sockets: set["asyncio.Task[None]"] = field(default_factory=set)

    async def carry(self, client: ServerConnection) -> None:
        """One connection of the client, until either side is gone."""
        server = await self._dial()
        if server is None:
            client.transport.abort()
            return
        passage = _Passage(self, client, server)
        try:
            await passage.run()
        finally:
            if passage.is_half_open:
                self._keep(server)
            else:
                server.transport.abort()
            client.transport.abort()

    def count(self) -> Told:
        told = self.told
        told.num_cut, told.num_refused, told.num_stalled = self.wire.num_cut, self.wire.num_refused, self.wire.num_stalled
        return told

    def due(self, *, at_s: float | None = None, kind: str | None = None) -> Cut | None:
        """The cut that this moment brings, once."""
        found = next(
            (
                cut
                for cut in self._waiting
                if (cut.at_s is not None and at_s is not None and at_s >= cut.at_s) or (cut.on is not None and cut.on == kind)
            ),
            None,
        )
        if found is not None:
            self._waiting.remove(found)
        return found

    def note_resumed(self) -> None:
        self._resumed.set()

    async def settled(self) -> None:
        """Until the old sockets have said what they have to say."""
        if self._old_sockets:
            await asyncio.wait(self._old_sockets, timeout=OLD_SOCKET_PATIENCE_S)

    async def close(self) -> None:
        for task in self._old_sockets:
            task.cancel()
        await asyncio.gather(*self._old_sockets, return_exceptions=True)

    async def _dial(self) -> ClientConnection | None:
        first = self._num_connections % len(self.upstreams) if self.hops else 0
        self._num_connections += 1
        for url in [*self.upstreams[first:], *self.upstreams[:first]]:
            with contextlib.suppress(OSError, TimeoutError, InvalidStatus, WebSocketException):
                return await connect(url, max_size=None, compression=None, ping_interval=None, open_timeout=5)
        return None

    def _keep(self, server: ClientConnection) -> None:
        self._resumed.clear()
        self.told.num_old_sockets += 1
        task = asyncio.create_task(self._speak_late(server))
        self._old_sockets.add(task)
        task.add_done_callback(self._old_sockets.discard)

    async def _speak_late(self, server: ClientConnection) -> None:
        """What an old connection says that nobody has told of the new one. The server may have closed it: so much the better."""
        reader = asyncio.create_task(_discard(server))
        try:
            await self._resumed.wait()
            for event in (frame(0, LOUD_FRAME), '{"type":"finalize"}', '{"type":"end","samples":1600}', '{"type":"start"}'):
                await server.send(event)
                self.told.num_late_events += 1
        except ConnectionClosed:
            pass
        finally:
            reader.cancel()
            server.transport.abort()


@dataclass(slots=True)
class _Passage:
    """One connection on its way through."""

    line: Line
    client: ServerConnection
    server: ClientConnection
    is_half_open: bool = False
    _copies: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self) -> None:
        ways = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in [*ways, *self._copies]:
                task.cancel()
            await asyncio.gather(*ways, *self._copies, return_exceptions=True)

    async def _up(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self.client:
                for item in self.line.tamper.from_client(message if isinstance(message, bytes) else json.loads(message)):
                    if isinstance(item, bytes):
                        await self._pass_audio(item)
                    else:
                        await self.server.send(json.dumps(item))
                        self._cut_if_due(kind=item["type"])

    async def _down(self) -> None:
        try:
            async for text in self.server:
                for message in self.line.tamper.from_server(json.loads(text)):
                    if message["type"] == "resumed":
                        self.line.note_resumed()
                    if not self._cut_if_due(kind=message["type"]):
                        await self.client.send(json.dumps(message))
        except ConnectionClosed:
            pass
        if self.server.close_code is not None:
            await self.client.close(
                self.server.close_code if self.server.close_code != 1006 else 1011, self.server.close_reason or ""
            )

    async def _pass_audio(self, message: bytes) -> None:
        told = self.line.told
        fate = self.line.weather.fate(told.num_frames)
        told.num_frames += 1
        told.num_lost += not fate
        told.num_doubled += len(fate) > 1
        told.num_overtaken += len(fate) == 1 and fate[0] > self.line.weather.delay_s
        for delay_s in fate:
            if delay_s == 0:
                await self.server.send(message)
            else:
                self._later(message, delay_s)
        self._cut_if_due(at_s=offset_of(message) / RATE_HZ)

    def _later(self, message: bytes, delay_s: float) -> None:
        task = asyncio.create_task(self._send_late(message, delay_s))
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)

    async def _send_late(self, message: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        with contextlib.suppress(ConnectionClosed):
            await self.server.send(message)

    def _cut_if_due(self, *, at_s: float | None = None, kind: str | None = None) -> bool:
        cut = self.line.due(at_s=at_s, kind=kind)
        if cut is None:
            return False
        self.is_half_open = cut.is_half_open
        self.line.wire.cut(cut.length_s)
        return True


@contextlib.asynccontextmanager
async def laid(line: Line) -> AsyncIterator[Line]:
    """`line` with a wire before it; `line.url` is where the client connects."""
    line._waiting = list(line.cuts)
    async with serve(line.carry, HOST, 0, max_size=None, compression=None, ping_interval=None, close_timeout=1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with stretched(Wire(port, list(line.stalls))) as wire:
            line.wire = wire
            line.url = f"ws://{HOST}:{wire.port_here}/stream"
            try:
                yield line
            finally:
                await line.close()


def frame(offset: int, payload: bytes) -> bytes:
    """A binary message of reliable mode. offset: of its first sample."""
    return offset.to_bytes(HEADER_BYTES, "little") + payload


def offset_of(message: bytes) -> int:
    return int.from_bytes(message[:HEADER_BYTES], "little")


async def _discard(socket: ClientConnection) -> None:
    """Read what comes, so that the connection itself works on."""
    with contextlib.suppress(ConnectionClosed):
        async for _message in socket:
            pass
