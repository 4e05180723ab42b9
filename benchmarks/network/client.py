"""A client of reliable mode, written from docs/protocol.md alone: speaks, keeps what the server may want again, resumes.

It shares no code with the clients that come with Hark and none with the server.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from benchmarks.network.talks import SAMPLE_BYTES, Talk

RATE_HZ: Final = 16_000
FRAME_SAMPLES: Final = 1_600
BUFFER_S: Final = 30.0
PATIENCE_S: Final = 300.0
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 1.0
FINAL_CODES: Final = frozenset({1000, 1008, 4400, 4401, 4403, 4404, 4408})
"""After these a session is over; after every other end of a connection it is resumed."""
Message = dict[str, Any]


@dataclass(slots=True)
class Heard:
    """What one session's client was told, over all its connections.

    sessions: as `ready` and every `resumed` named it. terminals: `done` and `error`, in order. complaints: what the client
    itself found wrong. codes: how connections ended; 1006 where nothing was said.
    """

    sessions: list[str] = field(default_factory=list)
    finals: dict[int, Message] = field(default_factory=dict)
    gaps: list[Message] = field(default_factory=list)
    warnings: list[Message] = field(default_factory=list)
    farewells: list[Message] = field(default_factory=list)
    refusals: list[Message] = field(default_factory=list)
    terminals: list[Message] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    num_resumed: int = 0
    num_resent: int = 0
    num_nacks: int = 0
    num_repeated_finals: int = 0
    settled: int = 0

    @property
    def texts(self) -> list[str]:
        return [self.finals[number]["text"] for number in sorted(self.finals)]

    @property
    def words(self) -> list[str]:
        return " ".join(self.texts).split()

    @property
    def done(self) -> Message | None:
        return next((message for message in self.terminals if message["type"] == "done"), None)


@dataclass(slots=True)
class ReliableClient:
    """Speaks `talk` once.

    urls: web processes; the next one is tried when one cannot be reached. pace: how many times as fast as it was spoken; 0:
    all at once. buffer_s: how much of what was spoken it keeps, unless it is settled sooner.
    """

    urls: Sequence[str]
    talk: Talk
    pace: float = 1.0
    buffer_s: float = BUFFER_S
    seed: int = 0
    options: Message = field(default_factory=dict)
    patience_s: float = PATIENCE_S
    frame_samples: int = FRAME_SAMPLES
    heard: Heard = field(default_factory=Heard)
    _session: str = ""
    _token: str = ""
    _spoken: int = 0
    _position: int = 0
    _limit: int = 0
    _told_end: bool = False
    _again: list[tuple[int, int]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _oldest: int = 0
    _is_greeted: bool = False
    _retry_after_s: float = 0.0

    async def run(self) -> Heard:
        """Until a terminal message has come or the session cannot go on. Raises: TimeoutError."""
        speaker = asyncio.create_task(self._speak())
        try:
            async with asyncio.timeout(self.patience_s):
                await self._keep_connected()
        finally:
            speaker.cancel()
            await asyncio.gather(speaker, return_exceptions=True)
        return self.heard

    async def _keep_connected(self) -> None:
        random = Random(f"client {self.seed}")
        wait_s = FIRST_WAIT_S
        for url in itertools.cycle(self.urls):
            num_greeted = len(self.heard.sessions)
            code = await self._connection(url)
            if self.heard.terminals or code in FINAL_CODES:
                return
            await asyncio.sleep(self._retry_after_s)
            wait_s = FIRST_WAIT_S if len(self.heard.sessions) > num_greeted else min(2 * wait_s, LONGEST_WAIT_S)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))

    async def _connection(self, url: str) -> int:
        """One connection from its first to its last message; returns its close code."""
        try:
            async with connect(
                url, max_size=None, compression=None, ping_interval=None, open_timeout=5, close_timeout=1
            ) as socket:
                code = await self._converse(socket)
        except (OSError, TimeoutError, InvalidStatus, WebSocketException):
            return 1006
        self.heard.codes.append(code)
        return code

    async def _converse(self, socket: ClientConnection) -> int:
        await socket.send(json.dumps(self._greeting()))
        self._limit, self._again, self._told_end, self._is_greeted, self._retry_after_s = 0, [], False, False, 0.0
        sender = asyncio.create_task(self._send(socket))
        try:
            async for text in socket:
                self._take(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return socket.close_code or 1006

    def _greeting(self) -> Message:
        if not self._session:
            return {"type": "start", "reliable": True, "encoding": "pcm_s16le", "sample_rate": RATE_HZ} | self.options
        return {
            "type": "resume",
            "session": self._session,
            "token": self._token,
            "next_segment": len(self.heard.finals),
            "oldest": self._first_kept,
        }

    # The microphone

    async def _speak(self) -> None:
        """The talk goes on, connected or not. What is older than the buffer and not settled is forgotten all the same."""
        started_s = asyncio.get_running_loop().time()
        for start in range(0, self.talk.num_samples, self.frame_samples):
            if self.pace:
                due_s = started_s + (start + self.frame_samples) / RATE_HZ / self.pace
                await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
            self._spoken = min(start + self.frame_samples, self.talk.num_samples)
            if self.pace:
                self._oldest = max(self._oldest, self._spoken - round(self.buffer_s * RATE_HZ))
            self._news.set()

    @property
    def _first_kept(self) -> int:
        return max(self._oldest, self.heard.settled)

    # To the server

    async def _send(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._news.clear()
                await self._send_what_may_be_sent(socket)
                await self._news.wait()

    async def _send_what_may_be_sent(self, socket: ClientConnection) -> None:
        while self._again:
            await self._send_again(socket, *self._again.pop(0))
        while self._position < min(self._spoken, self._limit):
            start = max(self._position, self._oldest)
            stop = min(start + self.frame_samples, self._spoken)
            self._position = stop
            await socket.send(self._frame(start, stop))
            while self._again:
                await self._send_again(socket, *self._again.pop(0))
        if self._limit and self._position >= self.talk.num_samples and not self._told_end:
            self._told_end = True
            await socket.send(json.dumps({"type": "end", "samples": self.talk.num_samples}))

    async def _send_again(self, socket: ClientConnection, start: int, stop: int) -> None:
        for first in range(max(start, self._oldest), min(stop, self._position), self.frame_samples):
            self.heard.num_resent += 1
            await socket.send(self._frame(first, min(first + self.frame_samples, stop)))

    def _frame(self, start: int, stop: int) -> bytes:
        return start.to_bytes(8, "little") + self.talk.pcm[start * SAMPLE_BYTES : stop * SAMPLE_BYTES]

    # From the server

    def _take(self, message: Message) -> None:
        if self.heard.terminals:
            self.heard.complaints.append(f"{message['type']} came after {self.heard.terminals[-1]['type']}")
        handlers = {
            "ready": self._on_ready,
            "resumed": self._on_resumed,
            "ack": self._on_ack,
            "nack": self._on_nack,
            "final": self._on_final,
            "gap": self._on_gap,
        }
        kept = {
            "warning": self.heard.warnings,
            "going_away": self.heard.farewells,
            "done": self.heard.terminals,
            "error": self.heard.refusals if self._may_try_again(message) else self.heard.terminals,
        }
        if (handler := handlers.get(message["type"])) is not None:
            handler(message)
        elif (keep := kept.get(message["type"])) is not None:
            keep.append(message)
        self._news.set()

    def _may_try_again(self, message: Message) -> bool:
        """An answer to `start` or `resume` that says "later" ends a connection, not a session."""
        is_refusal = message["type"] == "error" and message["retryable"] and not self._is_greeted
        self._retry_after_s = float(message["retry_after_s"] or 0) if is_refusal else 0.0
        return is_refusal

    def _on_ready(self, message: Message) -> None:
        self._is_greeted = True
        self._session, self._token = message["session"], message["resume_token"]
        self.heard.sessions.append(message["session"])
        self._limit = message["window_ms"] * RATE_HZ // 1000

    def _on_nack(self, message: Message) -> None:
        self.heard.num_nacks += 1
        self._again.append((message["from"], message["to"]))

    def _on_resumed(self, message: Message) -> None:
        self._is_greeted = True
        self.heard.sessions.append(message["session"])
        self.heard.num_resumed += 1
        if message["offset"] < self.heard.settled:
            self.heard.complaints.append(f"sample {message['offset']} is wanted, but all before {self.heard.settled} is settled")
        self._position = message["offset"]
        self._limit = message["offset"] + message["credit_ms"] * RATE_HZ // 1000

    def _on_ack(self, message: Message) -> None:
        if message["settled"] < self.heard.settled or message["settled"] > message["received"]:
            self.heard.complaints.append(f"an ack of {message} after {self.heard.settled} was settled")
        if message["received"] > self._spoken:
            self.heard.complaints.append(f"{message['received']} samples are acknowledged; {self._spoken} were spoken")
        self.heard.settled = max(self.heard.settled, message["settled"])
        self._limit = message["received"] + message["credit_ms"] * RATE_HZ // 1000

    def _on_gap(self, message: Message) -> None:
        """A resume tells all of them again."""
        if message not in self.heard.gaps:
            self.heard.gaps.append(message)

    def _on_final(self, message: Message) -> None:
        number, known = message["segment"], self.heard.finals.get(message["segment"])
        if known is not None:
            self.heard.num_repeated_finals += 1
            if known["text"] != message["text"]:
                self.heard.complaints.append(f"final {number} changed from {known['text']!r} to {message['text']!r}")
            return
        if number != len(self.heard.finals):
            self.heard.complaints.append(f"final {number} came; {len(self.heard.finals)} was next")
        self.heard.finals[number] = message
