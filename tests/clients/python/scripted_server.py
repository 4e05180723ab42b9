"""A Hark server as the client's tests need it: it hears a final in every second of audio, and follows a script of mishaps.

It keeps its sessions over broken connections, as the real one does, and checks what comes with the real server's classes.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.stream_client import validator
from transcription.session.intake import AudioFormat, Missing, ReliableIntake

RATE_HZ = 16_000
FRAME_BYTES = 2
SECOND = RATE_HZ * FRAME_BYTES
WINDOW_MS = 10_000


class Cut(Exception):
    """The script wants the connection broken here, without a farewell."""


@dataclass
class Script:
    """What goes wrong. `cut_after`: for each connection in turn, after how many audio frames it breaks.

    `answers`: for each connection in turn, an error (`error` fields and close code) instead of `ready`; None lets it in.
    `lose`: ranges of samples that are treated as if they had not come, once each. `forget_sessions`: nobody can resume.
    `cut_on`: once, instead of obeying that message. `forgets_final`: a number that no resume brings back.
    `gap_in_done_ms`: what the accounts add.
    `window_ms`: what a client may send ahead. `on_final`: what is sent for a final, in place of just it.
    """

    cut_after: list[int] = field(default_factory=list)
    answers: list[tuple[dict[str, Any], int] | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    lose: list[range] = field(default_factory=list)
    forget_sessions: bool = False
    going_away_after: int | None = None
    cut_on: str = ""
    gap_in_done_ms: int = 0
    never_done: bool = False
    forgets_final: int | None = None
    window_ms: int = WINDOW_MS
    is_settling: bool = True
    on_final: Callable[[dict[str, Any]], list[dict[str, Any]]] = lambda final: [final]


@dataclass
class FakeSession:
    number: int
    start: dict[str, Any]
    intake: ReliableIntake = field(default_factory=lambda: ReliableIntake(AudioFormat()))
    audio: bytearray = field(default_factory=bytearray)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    finals: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    total: int | None = None

    @property
    def token(self) -> str:
        return f"token-{self.number}"

    @property
    def heard(self) -> int:
        """Samples that have come or are given up, without a hole."""
        return self.intake.num_frames

    def new_finals(self) -> list[dict[str, Any]]:
        """One for every whole second since the last; at the end one for the rest."""
        first = len(self.finals)
        ends = [(number + 1) * 1000 for number in range(first, self.heard // RATE_HZ)]
        if self.total is not None and self.heard >= self.total and self.heard % RATE_HZ:
            ends.append(self.heard * 1000 // RATE_HZ)
        for end_ms in ends[: max(len(ends), 0)]:
            number = len(self.finals)
            self.finals.append(final(number, end_ms))
        return self.finals[first:]


def final(number: int, end_ms: int) -> dict[str, Any]:
    return {
        "type": "final", "segment": number, "text": f"second {number}", "start_ms": number * 1000, "end_ms": end_ms,
        "language": "en", "confidence": 0.9, "model": "fake", "words": [], "from_finalize": False,
    }  # fmt: skip


@dataclass
class ScriptedServer:
    script: Script = field(default_factory=Script)
    sessions: dict[str, FakeSession] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    hellos: list[dict[str, Any]] = field(default_factory=list)
    binary: list[bytes] = field(default_factory=list)
    num_nacks: int = 0
    problems: list[BaseException] = field(default_factory=list)
    url: str = ""

    async def handle(self, socket: ServerConnection) -> None:
        try:
            await self.converse(socket)
        except Cut:
            socket.transport.abort()
        except ConnectionClosed:
            pass
        except BaseException as err:
            self.problems.append(err)
            raise

    def on_request(self, _socket: ServerConnection, request: Request) -> Response | None:
        self.headers.append(dict(request.headers.raw_items()))
        status = self.script.statuses.pop(0) if self.script.statuses else 0
        return _socket.respond(HTTPStatus(status), "no\n") if status else None

    async def converse(self, socket: ServerConnection) -> None:
        hello = self.checked(await socket.recv())
        self.hellos.append(hello)
        answer = self.script.answers.pop(0) if self.script.answers else None
        if answer is not None:
            fields, code = answer
            await say(socket, type="error", **{"retryable": False, "retry_after_s": None, "message": "No."} | fields)
            await socket.close(code)
            return
        session = await self.open(socket, hello)
        if session is None:
            return
        num_left = self.script.cut_after.pop(0) if self.script.cut_after else None
        listen = self.listen if session.start.get("reliable", False) else self.listen_plain
        await listen(socket, session, num_left)

    def checked(self, text: str | bytes) -> dict[str, Any]:
        assert isinstance(text, str)
        message: dict[str, Any] = json.loads(text)
        validator("client").validate(message)
        return message

    async def open(self, socket: ServerConnection, hello: dict[str, Any]) -> FakeSession | None:
        common = {
            "model": "fake",
            "language": "en",
            "sample_rate": RATE_HZ,
            "heartbeat_s": 30,
            "window_ms": self.script.window_ms,
        }
        if hello["type"] == "start":
            session = FakeSession(len(self.sessions), hello)
            self.sessions[f"session-{session.number}"] = session
            token = session.token if hello.get("reliable") else None
            await say(socket, type="ready", session=f"session-{session.number}", resume_token=token, **common)
            return session
        known = self.sessions.get(hello["session"])
        if known is None or self.script.forget_sessions:
            await say(
                socket, type="error", code="unknown_session", message="No such session.", retryable=False, retry_after_s=None
            )
            await socket.close(4404)
            return None
        assert hello["token"] == known.token
        self.take(known, known.intake.give_up_before(hello["oldest"] or 0, 0.0))
        known.intake.begin_again(0.0)
        await say(socket, type="resumed", session=hello["session"], offset=known.heard, credit_ms=self.script.window_ms, **common)
        for message in [*known.finals[hello["next_segment"] :], *known.gaps]:
            if message.get("segment", -1) != self.script.forgets_final:
                await say(socket, **message)
        return known

    async def listen_plain(self, socket: ServerConnection, session: FakeSession, num_left: int | None) -> None:
        while True:
            message = await socket.recv()
            if isinstance(message, bytes):
                session.audio += message
                num_left = None if num_left is None else num_left - 1
                if num_left == 0:
                    raise Cut
            elif self.checked(message)["type"] == "end":
                break
        await say(socket, **final(0, 1000))
        await say(socket, **done(session, len(session.audio) // FRAME_BYTES))

    async def listen(self, socket: ServerConnection, session: FakeSession, num_left: int | None) -> None:
        num_frames = 0
        for new in session.new_finals():
            await say(socket, **new)
        while not (session.total is not None and session.heard >= session.total):
            message = await socket.recv()
            if isinstance(message, bytes):
                self.binary.append(message)
                num_frames += 1
                self.hear(session, message)
            else:
                self.obey(session, self.checked(message))
            for new in session.new_finals():
                for sent in self.script.on_final(new):
                    await say(socket, **sent)
            await self.acknowledge(socket, session)
            if num_left is not None and num_frames >= num_left:
                raise Cut
            if self.script.going_away_after is not None and num_frames >= self.script.going_away_after:
                self.script.going_away_after = None
                await say(socket, type="going_away", reason="server_draining", resume_within_s=120, closes_in_s=0)
                await socket.close(1001)
                return
        if self.script.never_done:
            await socket.wait_closed()
        await say(socket, **done(session, session.heard, self.script.gap_in_done_ms))
        await socket.close(1000)

    def hear(self, session: FakeSession, message: bytes) -> None:
        offset = int.from_bytes(message[:8], "little")
        if any(offset in lost for lost in self.script.lose):
            self.script.lose = [lost for lost in self.script.lose if offset not in lost]
            return
        self.take(session, session.intake.push(message, 0.0))

    def take(self, session: FakeSession, pieces: list[Any]) -> None:
        position = len(session.audio) // FRAME_BYTES
        for piece in pieces:
            num_frames = piece.num_frames if isinstance(piece, Missing) else len(piece) // FRAME_BYTES
            session.audio += bytes(num_frames * FRAME_BYTES) if isinstance(piece, Missing) else piece
            if isinstance(piece, Missing):
                session.gaps.append(
                    {"type": "gap", "from_ms": position // 16, "to_ms": (position + num_frames) // 16, "reason": "lost"}
                )
            position += num_frames

    def obey(self, session: FakeSession, message: dict[str, Any]) -> None:
        if message["type"] == self.script.cut_on:
            self.script.cut_on = ""
            raise Cut
        if message["type"] == "end":
            session.total = message["samples"]
            session.intake.expect(message["samples"], 0.0)
        else:
            session.commands.append(message | {"at": session.heard})

    async def acknowledge(self, socket: ServerConnection, session: FakeSession) -> None:
        settled = len(session.finals) * RATE_HZ if self.script.is_settling else 0
        behind_ms = (session.heard - settled) * 1000 // RATE_HZ
        await say(
            socket, type="ack", received=session.heard, settled=min(settled, session.heard),
            credit_ms=max(self.script.window_ms - behind_ms, 0),
        )  # fmt: skip
        for start, end in session.intake.nacks(float("inf")):
            self.num_nacks += 1
            await say(socket, **{"type": "nack", "from": start, "to": end})


def done(session: FakeSession, num_samples: int, more_gap_ms: int = 0) -> dict[str, Any]:
    gap_ms = more_gap_ms + sum(gap["to_ms"] - gap["from_ms"] for gap in session.gaps)
    received_ms = num_samples // 16
    return {
        "type": "done", "session": f"session-{session.number}", "received_ms": received_ms,
        "transcribed_ms": received_ms - gap_ms, "silence_ms": 0, "gap_ms": gap_ms, "num_segments": len(session.finals),
        "complete": gap_ms == 0,
    }  # fmt: skip


async def say(socket: ServerConnection, **message: Any) -> None:
    """Every message is one that the real server's schema allows."""
    validator("server").validate(message)
    await socket.send(json.dumps(message))


@asynccontextmanager
async def scripted_server(script: Script | None = None) -> AsyncIterator[ScriptedServer]:
    """Runs for the length of the block; what went wrong inside it fails the test."""
    server = ScriptedServer(script or Script())
    listening: Server
    async with serve(server.handle, "127.0.0.1", 0, process_request=server.on_request) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}/stream"
        yield server
        await asyncio.sleep(0)
    assert server.problems == []
