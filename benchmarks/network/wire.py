"""The network's lower layer: bytes between a client and a port, as a TCP relay that can be cut, closed and stalled.

It knows nothing of messages. What is under way when a connection is cut is lost, as it is on a real network.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Stall:
    """After so many bytes of the client's, on whichever connection, nothing moves for a while: in the middle of a message too."""

    after_bytes: int
    length_s: float


@dataclass(slots=True)
class Wire:
    """Relays connections to `port` on this machine. Make it with `stretched`.

    port_here: where clients connect. num_refused: connections that came while the network was away.
    """

    port: int
    stalls: list[Stall] = field(default_factory=list)
    port_here: int = 0
    num_cut: int = 0
    num_refused: int = 0
    num_stalled: int = 0
    _away_until_s: float = 0.0
    _num_bytes: int = 0
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self, length_s: float) -> None:
        """Break every connection now and refuse new ones for `length_s`."""
        self._away_until_s = asyncio.get_running_loop().time() + length_s
        self.num_cut += 1
        for writer in list(self._clients):
            writer.transport.abort()

    @property
    def is_away(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until_s

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side is gone."""
        if self.is_away:
            self.num_refused += 1
            writer.transport.abort()
            return
        self._clients.add(writer)
        try:
            await self._relay(reader, writer)
        except OSError:
            pass  # nobody listens behind the wire; the client learns it by the close
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self.port)
        ways = [asyncio.create_task(self._up(reader, far_writer)), asyncio.create_task(self._down(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()
            await _stop(ways)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The client's bytes. A stall lets pass what came before it, to the byte."""
        while chunk := await _read(reader):
            self._num_bytes += len(chunk)
            while self.stalls and self._num_bytes >= self.stalls[0].after_bytes:
                stall = self.stalls.pop(0)
                surplus = min(self._num_bytes - stall.after_bytes, len(chunk))
                writer.write(chunk[: len(chunk) - surplus])
                chunk = chunk[len(chunk) - surplus :]
                self.num_stalled += 1
                await asyncio.sleep(stall.length_s)
            writer.write(chunk)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await _read(reader):
            writer.write(chunk)
            await writer.drain()


@contextlib.asynccontextmanager
async def stretched(wire: Wire) -> AsyncIterator[Wire]:
    """`wire`, listening on a free port; cut for good at the end."""
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(wire.relay(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, HOST, 0)
    wire.port_here = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await _stop(list(connections))


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Empty at the end, however it came."""
    with contextlib.suppress(OSError):
        return await reader.read(CHUNK_BYTES)
    return b""


async def _stop(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
