"""A server of reliable mode in one page, for the tests of the bad network and its client: it counts samples and reads words.

Everything that is said becomes one final at the end. It trusts its clients, keeps nothing on disk and settles nothing before.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from benchmarks.network.verdict import NOTHING_STORED, Stored
from inference.engines.base import Window
from inference.engines.fake import FakeEngine

WINDOW_MS: Final = 60_000
ASK_AGAIN_S: Final = 0.1
MAX_ASKED: Final = 15
Message = dict[str, Any]


@dataclass(slots=True)
class Session:
    """One client's. pieces: audio by the offset of its first sample, until it is contiguous."""

    number: int
    audio: bytearray = field(default_factory=bytearray)
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None
    num_lost: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    is_over: bool = False
    socket: ServerConnection | None = None

    @property
    def received(self) -> int:
        return len(self.audio) // 2

    def take(self, offset: int, payload: bytes) -> None:
        self.pieces[offset] = max(self.pieces.get(offset, b""), payload, key=len)
        while (first := min(self.pieces, default=None)) is not None and first <= self.received:
            piece = self.pieces.pop(first)
            self.audio += piece[(self.received - first) * 2 :]

    def skip(self, to: int) -> Message:
        """Samples up to `to` are missing for good."""
        start = self.received
        self.num_lost += to - start
        self.audio += bytes((to - start) * 2)
        self.take(to, b"")
        self.gaps.append((start // 16, to // 16))
        return {"type": "gap", "from_ms": start // 16, "to_ms": to // 16, "reason": "lost"}

    @property
    def hole(self) -> tuple[int, int] | None:
        ends = min(self.pieces, default=self.total if self.total is not None else self.received)
        return (self.received, ends) if ends > self.received else None

    @property
    def text(self) -> str:
        audio = np.frombuffer(bytes(self.audio), dtype="<i2").astype(np.float32) / 32767
        engine = FakeEngine()
        return engine.step([Window(engine.open_stream(), audio, ("en",), is_final=True)])[0].text

    def account(self) -> Message:
        total_ms, gap_ms = self.received // 16, self.num_lost // 16
        return {
            "received_ms": total_ms,
            "transcribed_ms": 0,
            "silence_ms": total_ms - gap_ms,
            "gap_ms": gap_ms,
            "complete": not gap_ms,
        }


@dataclass(slots=True)
class CountingServer:
    sessions: list[Session] = field(default_factory=list)
    url: str = ""

    @property
    def web_urls(self) -> list[str]:
        return [self.url]

    def stored(self, session: str) -> Stored:
        found = self.sessions[int(session)]
        account = found.account()
        if not found.is_over:
            return NOTHING_STORED
        status = "complete" if account.pop("complete") else "incomplete"
        return Stored(status, (found.text,), gaps=tuple(found.gaps), **account)

    async def answer(self, socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            first = json.loads(await socket.recv())
            session = self._greeted(first)
            session.socket = socket
            await tell(socket, self._greeting(first, session))
            oldest = first.get("oldest") or 0
            if oldest > session.received:
                await tell(socket, session.skip(oldest))
            asking = asyncio.create_task(self._ask(session, socket))
            try:
                async for message in socket:
                    if session.socket is socket:
                        await self._on_message(session, socket, message)
            finally:
                asking.cancel()

    def _greeted(self, first: Message) -> Session:
        if first["type"] == "resume":
            return self.sessions[int(first["session"])]
        self.sessions.append(Session(len(self.sessions)))
        return self.sessions[-1]

    def _greeting(self, first: Message, session: Session) -> Message:
        if first["type"] == "start":
            return {"type": "ready", "session": str(session.number), "resume_token": "t", "window_ms": WINDOW_MS}
        return {"type": "resumed", "session": str(session.number), "offset": session.received, "credit_ms": WINDOW_MS}

    async def _on_message(self, session: Session, socket: ServerConnection, message: str | bytes) -> None:
        if isinstance(message, bytes):
            session.take(int.from_bytes(message[:8], "little"), message[8:])
            await tell(socket, {"type": "ack", "received": session.received, "settled": 0, "credit_ms": WINDOW_MS})
        elif (told := json.loads(message))["type"] == "end":
            session.total = told["samples"]
        await self._finish_if_whole(session, socket)

    async def _finish_if_whole(self, session: Session, socket: ServerConnection) -> None:
        if session.total == session.received:
            session.is_over = True
            await tell(socket, {"type": "final", "segment": 0, "text": session.text, "start_ms": 0, "end_ms": 0})
            await tell(socket, {"type": "done"} | session.account())
            await socket.close()

    async def _ask(self, session: Session, socket: ServerConnection) -> None:
        """For what is missing, again and again, until it has to be given up."""
        num_asked, asked = 0, None
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(ASK_AGAIN_S)
                hole = session.hole
                num_asked, asked = (num_asked + 1 if hole == asked else 0), hole
                if hole is not None and num_asked < MAX_ASKED:
                    await tell(socket, {"type": "nack", "from": hole[0], "to": hole[1]})
                elif hole is not None:
                    await tell(socket, session.skip(hole[1]))
                    await self._finish_if_whole(session, socket)


async def tell(socket: ServerConnection, message: Message) -> None:
    await socket.send(json.dumps(message))


@contextlib.asynccontextmanager
async def counting_server() -> AsyncIterator[CountingServer]:
    server = CountingServer()
    async with serve(server.answer, "127.0.0.1", 0, max_size=None, compression=None) as listening:
        server.url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/stream"
        yield server
