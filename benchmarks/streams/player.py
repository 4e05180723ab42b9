"""A process full of clients: plays tapes to the server at the pace they were spoken and notes what came back when."""

import asyncio
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from benchmarks.speech import Clip
from benchmarks.streams.tape import BYTES_PER_SAMPLE, SAMPLES_PER_MS, Tape, frames, to_pcm

FRAME_MS: Final = 100
DONE_WITHIN_S: Final = 60.0
CONNECTED_WITHIN_S: Final = 10.0
NOT_MEASURED: Final = frozenset({"words", "stable", "confidence", "language", "model"})

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """`url` of its /stream, what clients ask for, and how much audio they send at a time. scenario: empty: none."""

    url: str
    language: str
    scenario: str = ""
    frame_ms: int = FRAME_MS

    @property
    def start_message(self) -> str:
        scenario = {"scenario": self.scenario} if self.scenario else {}
        return json.dumps({"type": "start", "language": self.language, **scenario})

    @property
    def frame_bytes(self) -> int:
        return self.frame_ms * SAMPLES_PER_MS * BYTES_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class Client:
    """One after the other it plays its tapes, each in a session of its own, beginning `delay_s` after the clock's start."""

    number: int
    delay_s: float
    tapes: tuple[Tape, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the server, without the fields that are not measured, and when it came (monotonic clock)."""

    at_s: float
    message: Message


@dataclass(slots=True)
class Take:
    """One session as its client saw it. Times are of the monotonic clock, which all processes share.

    `late_ms`: how much later than due each frame was sent. `failure`: why the session broke off, or "".
    """

    client: int
    tape: Tape
    start_s: float
    heard: list[Heard] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    finalized_s: list[float] = field(default_factory=list)
    failure: str = ""
    frame_ms: int = FRAME_MS

    def of(self, kind: str) -> list[Heard]:
        return [heard for heard in self.heard if heard.message["type"] == kind]

    def due_s(self, at_ms: float) -> float:
        """When the frame that ends at or behind this place of the audio was to be sent."""
        return self.start_s + math.ceil(at_ms / self.frame_ms) * self.frame_ms / 1000

    @property
    def last_due_s(self) -> float:
        return self.due_s(self.tape.num_samples / SAMPLES_PER_MS)


@dataclass(frozen=True, slots=True)
class Report:
    """What a process of clients has seen, and the CPU it used while playing."""

    takes: list[Take]
    cpu_s: float


def work(pipe: Connection, server: Server, clients: Sequence[Client]) -> None:
    """The process: decode everything, say that it is ready, wait for the time to start, play, report.

    Another word through `pipe` while it plays: begin no further session.
    """
    audio = {part.sound.clip.name: part.sound.clip for client in clients for tape in client.tapes for part in tape.parts}
    player = Player(server, {name: to_pcm(clip.audio()) for name, clip in audio.items()}, is_over=pipe.poll)
    pipe.send("ready")
    start_s: float = pipe.recv()
    before_s = time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        takes = runner.run(player.play_all(clients, start_s))
    pipe.send(Report(takes, time.process_time() - before_s))


class Player:
    """Plays tapes. `pcm`: 16-bit PCM by the name of the clip. `is_over`: whether no further session is to begin."""

    def __init__(self, server: Server, pcm: dict[str, bytes], *, is_over: Callable[[], bool] = lambda: False) -> None:
        self.server = server
        self.pcm = pcm
        self.is_over = is_over

    async def play_all(self, clients: Sequence[Client], start_s: float) -> list[Take]:
        takes = await asyncio.gather(*(self._play_tapes(client, start_s) for client in clients))
        return [take for of_client in takes for take in of_client]

    async def _play_tapes(self, client: Client, start_s: float) -> list[Take]:
        await _sleep_until(start_s + client.delay_s)
        return [await self.play(client.number, tape) for tape in client.tapes if not self.is_over()]

    async def play(self, number: int, tape: Tape) -> Take:
        """One session; what goes wrong is noted, not raised."""
        take = Take(number, tape, time.monotonic(), frame_ms=self.server.frame_ms)
        try:
            async with connect(self.server.url, max_size=None, compression=None, open_timeout=CONNECTED_WITHIN_S) as socket:
                await self._converse(socket, take)
        except (OSError, TimeoutError, WebSocketException) as err:
            take.failure = f"{type(err).__name__}: {err}"
        return take

    async def _converse(self, socket: ClientConnection, take: Take) -> None:
        take.start_s = time.monotonic()
        speaker = asyncio.create_task(self._speak(socket, take))
        try:
            await _read(socket, take)
        finally:
            speaker.cancel()  # nobody listens any more
            await asyncio.wait([speaker])

    async def _speak(self, socket: ClientConnection, take: Take) -> None:
        """Send the tape and `end`. A closed socket is the reader's to report; `done` that does not come closes it."""
        with suppress(ConnectionClosed):
            await self._send_tape(socket, take)
            await asyncio.sleep(DONE_WITHIN_S)
            await socket.close()

    async def _send_tape(self, socket: ClientConnection, take: Take) -> None:
        await socket.send(self.server.start_message)
        frame_ms = self.server.frame_ms
        finalize_after = {math.ceil(at_ms / frame_ms) for at_ms in take.tape.finalize_after_ms()}
        for number, frame in enumerate(frames(take.tape.pieces(self._pcm_of), self.server.frame_bytes), start=1):
            due_s = take.start_s + number * frame_ms / 1000
            await _sleep_until(due_s)
            take.late_ms.append((time.monotonic() - due_s) * 1000)
            await socket.send(frame)
            if number in finalize_after:
                take.finalized_s.append(time.monotonic())
                await socket.send('{"type": "finalize"}')
        await socket.send('{"type": "end"}')

    def _pcm_of(self, clip: Clip) -> bytes:
        return self.pcm[clip.name]


async def _read(socket: ClientConnection, take: Take) -> None:
    async for text in socket:
        now_s = time.monotonic()
        message = {name: value for name, value in json.loads(text).items() if name not in NOT_MEASURED}
        take.heard.append(Heard(now_s, message))


async def _sleep_until(at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))
