"""The network between a browser and the server: TCP, and a switch."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.stack import HOST

CHUNK_BYTES = 65_536


@dataclass
class Wire:
    """Leads from `port` to `server_port`. While it is cut, nobody gets through and whoever was connected is thrown out."""

    server_port: int
    port: int = 0
    num_cuts: int = 0
    is_cut: bool = False
    _writers: set[StreamWriter] = field(default_factory=set)

    @property
    def http_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def cut(self) -> None:
        self.is_cut = True
        self.num_cuts += 1
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def cut_for(self, duration_s: float) -> None:
        self.cut()
        await asyncio.sleep(duration_s)
        self.mend()

    async def carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection, until either side closes it."""
        self._writers.add(writer)
        try:
            if self.is_cut:
                writer.transport.abort()
            else:
                await self._join(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(HOST, self.server_port)
            self._writers.add(far_writer)
            try:
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
            finally:
                self._writers.discard(far_writer)
                far_writer.close()


async def pump(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def wire_to(server_port: int) -> AsyncIterator[Wire]:
    wire = Wire(server_port)
    server = await asyncio.start_server(wire.carry, HOST, 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
