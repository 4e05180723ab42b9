"""The link to one inference process, against a process that says exactly what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from inference.client import NO_WORKER, WorkerLink, worker_link
from inference.link import local
from inference.messages import (
    AnyEvent,
    AnyStreamEvent,
    Checkpoint,
    EndStream,
    OpenStream,
    StreamDone,
    StreamOpened,
    StreamOptions,
    WorkerLoad,
    WorkerStatus,
    encoder,
)
from tests.inference.worker import PATIENCE_S

READY = WorkerStatus(node="scripted", is_ready=True)


@dataclass
class Script:
    """Both ends of a link: the process, and the owner that is told what it brings."""

    address: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    events: list[AnyStreamEvent] = field(default_factory=list)
    num_lost: int = 0
    writer: asyncio.StreamWriter | None = None

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.say(READY, WorkerLoad())
        while await local.read_frame(reader) is not None:
            pass
        await local.close(writer)

    def say(self, *events: AnyEvent) -> None:
        assert self.writer is not None
        self.writer.write(local.pack(encoder.encode(events)))

    def on_news(self, link: WorkerLink) -> None:
        self.news.set()

    def on_events(self, link: WorkerLink, stream: int, events: list[AnyStreamEvent]) -> None:
        self.events += events
        self.news.set()

    def on_lost(self, link: WorkerLink) -> None:
        self.num_lost += 1
        self.news.set()

    async def heard(self) -> None:
        """Something new has come to the owner."""
        async with asyncio.timeout(PATIENCE_S):
            await self.news.wait()
        self.news.clear()


@pytest.fixture
async def script(address: str) -> AsyncIterator[Script]:
    script = Script(address)
    async with await local.listen(address, script.accept):
        yield script


@pytest.fixture
async def link(script: Script) -> AsyncIterator[WorkerLink]:
    link = WorkerLink("inference-0", script.address, script)
    await script.heard()
    yield link
    await link.close()


def opened(stream: int) -> StreamOpened:
    return StreamOpened(stream=stream, model="fake", language="en")


async def test_a_stream_that_is_placed_counts_until_a_report_shows_it(script: Script, link: WorkerLink) -> None:
    for stream in range(2):
        link.open(stream, [OpenStream(stream=stream, options=StreamOptions())])
    assert link.candidate.num_streams == 2

    script.say(opened(0))
    await script.heard()
    script.say(WorkerLoad(num_streams=1))
    await script.heard()

    assert link.candidate.num_placed == 1
    assert link.candidate.num_streams == 2


async def test_a_stream_that_has_ended_counts_no_more_even_before_a_report(script: Script, link: WorkerLink) -> None:
    script.say(WorkerLoad(num_streams=5))
    await script.heard()

    link.forget(3)
    assert link.candidate.num_streams == 4

    script.say(WorkerLoad(num_streams=4))
    await script.heard()
    assert link.candidate.num_streams == 4


async def test_a_process_that_refused_is_full_until_its_next_report(script: Script, link: WorkerLink) -> None:
    link.mark_full()
    assert link.load.is_full

    script.say(WorkerLoad(num_streams=1))
    await script.heard()

    assert not link.load.is_full


@pytest.mark.parametrize(("stalled_ms", "can_take"), [(0, True), (4_999, True), (5_000, False)])
async def test_a_process_whose_recognition_does_not_get_on_takes_no_stream(
    script: Script, link: WorkerLink, stalled_ms: int, *, can_take: bool
) -> None:
    script.say(WorkerLoad(stalled_ms=stalled_ms))
    await script.heard()

    assert link.can_take is can_take
    assert link.status.is_ready


async def test_a_process_that_says_nothing_is_lost(script: Script, link: WorkerLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look is under way already and takes its second; four are left."""
    monkeypatch.setattr(worker_link, "WATCH_EVERY_S", 0.0)
    link._retry_s = 60.0  # it is not linked again within this test

    async with asyncio.timeout(PATIENCE_S):
        while not script.num_lost:
            await script.heard()

    assert (link.status, link.load, link.can_take) == (NO_WORKER, WorkerLoad(), False)


async def test_whatever_a_process_says_is_a_sign_of_life(script: Script, link: WorkerLink) -> None:
    link._num_silent_watches = worker_link.MAX_SILENT_WATCHES - 1

    script.say(opened(0))
    await script.heard()

    assert link._num_silent_watches == 0


async def test_events_of_one_frame_are_handed_on_in_order(script: Script, link: WorkerLink) -> None:
    link.put(EndStream(stream=0))

    script.say(opened(0), WorkerLoad(num_streams=1), StreamDone(stream=0, checkpoint=Checkpoint()))
    await script.heard()

    assert [type(event) for event in script.events] == [StreamOpened, StreamDone]
