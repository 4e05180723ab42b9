"""A real inference process with the scripted engine, and a listener on one of its streams."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from inference.client import InferenceClient, StreamHandle
from inference.engines.fake import speak
from inference.messages import AnyStreamEvent, StreamDone, StreamFailed, StreamOptions, TranscriptFinal

PROJECT_DIR = Path(__file__).parents[2]
PATIENCE_S = 20.0
EventT = TypeVar("EventT", bound=AnyStreamEvent)


def to_pcm(audio: np.ndarray) -> bytes:
    """16-bit PCM of float32 samples in [-1, 1]."""
    return np.asarray(np.rint(audio * 32767), dtype="<i2").tobytes()


def say(text: str, silence_s: float = 0.0) -> bytes:
    """PCM of `text` in the scripted engine's code, followed by silence."""
    return to_pcm(np.concatenate([speak(text), np.zeros(round(silence_s * 16_000), dtype=np.float32)]))


@dataclass
class Worker:
    """`python -m inference` with HARK_MODELS=fake at `address`; `module` may be a test's own variant of it."""

    address: str
    settings: dict[str, str] = field(default_factory=dict)
    module: str = "inference"
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=PROJECT_DIR,
            env=os.environ
            | {"HARK_MODELS": "fake", "HARK_INFERENCE_ADDRESS": self.address, "HARK_LOG_LEVEL": "WARNING"}
            | self.settings,
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()


@contextmanager
def running_worker(address: str, module: str = "inference", **settings: str) -> Iterator[Worker]:
    worker = Worker(address, settings, module)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()


@dataclass
class Listener:
    """Remembers what one stream is told and lets a test wait for it."""

    events: list[AnyStreamEvent] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, events: list[AnyStreamEvent]) -> None:
        self.events += events
        self.news.set()

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def words(self) -> list[str]:
        return [word for final in self.of(TranscriptFinal) for word in final.text.split()]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def heard(self, kind: type[EventT]) -> EventT:
        """The first event of that kind; waits for it."""
        await self.until(lambda: self.of(kind))
        return self.of(kind)[0]

    async def heard_first(self) -> AnyStreamEvent:
        await self.until(lambda: self.events)
        return self.events[0]

    async def over(self) -> StreamDone | StreamFailed:
        """The terminal event; waits for it."""
        await self.until(lambda: self.events and isinstance(self.events[-1], StreamDone | StreamFailed))
        last = self.events[-1]
        assert isinstance(last, StreamDone | StreamFailed)
        return last


def listen(client: InferenceClient, **options: object) -> tuple[StreamHandle, Listener]:
    """Open a stream."""
    listener = Listener()
    return client.open_stream(StreamOptions(**options), listener), listener  # type: ignore[arg-type]  # options by name


async def send_in_pieces(handle: StreamHandle, pcm: bytes, piece_bytes: int = 3_200, pause_s: float = 0.0) -> None:
    """As a client would, but without waiting for the clock. `pause_s`: after each piece."""
    for start in range(0, len(pcm), piece_bytes):
        handle.send_audio(pcm[start : start + piece_bytes])
        await asyncio.sleep(pause_s)


def wait_until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Ask again and again: for other processes, which cannot tell us."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)
