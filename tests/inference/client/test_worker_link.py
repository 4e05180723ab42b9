"""The link to one inference process, against a process that says exactly what a test tells it to."""

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvloop

from inference.client import NO_WORKER, WorkerLink, worker_link
from inference.link import local
from inference.messages import (
    AnyEvent,
    AnyRequest,
    AnyStreamEvent,
    AudioChunk,
    Checkpoint,
    EndStream,
    OpenStream,
    StreamDone,
    StreamOpened,
    StreamOptions,
    WorkerLoad,
    WorkerStatus,
    encoder,
    request_decoder,
)
from tests.inference.worker import PATIENCE_S

READY = WorkerStatus(node="scripted", is_ready=True)


@dataclass
class Script:
    """Both ends of a link: the process, and the owner that is told what it brings."""

    address: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    events: list[AnyStreamEvent] = field(default_factory=list)
    requests: list[AnyRequest] = field(default_factory=list)
    num_frames: int = 0
    listens: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    was_told: asyncio.Event = field(default_factory=asyncio.Event)
    num_lost: int = 0
    writer: asyncio.StreamWriter | None = None

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.is_over.clear()
        self.say(READY, WorkerLoad())
        await self.listens.wait()
        while (body := await local.read_frame(reader)) is not None:
            self.requests += request_decoder.decode(body)
            self.num_frames += 1
            self.was_told.set()
        await local.close(writer)
        self.is_over.set()

    def __post_init__(self) -> None:
        self.listens.set()

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
        script.listens.set()
        await script.is_over.wait()


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


async def test_what_can_wait_goes_with_the_next_that_cannot_and_before_it(script: Script, link: WorkerLink) -> None:
    link.put(EndStream(stream=1), can_wait=True)
    assert link._flush is not None
    waits_until_s = link._flush.when()
    link.put(EndStream(stream=2))
    link.put(EndStream(stream=3), can_wait=True)

    assert link._flush.when() < waits_until_s
    async with asyncio.timeout(PATIENCE_S):
        await script.was_told.wait()
    assert (script.num_frames, [request.stream for request in script.requests]) == (1, [1, 2, 3])


async def test_what_can_wait_goes_by_itself_when_nothing_else_comes(script: Script, link: WorkerLink) -> None:
    link.put(EndStream(stream=1), can_wait=True)

    async with asyncio.timeout(PATIENCE_S):
        await script.was_told.wait()
    assert [request.stream for request in script.requests] == [1]


def test_a_server_that_is_held_up_between_two_requests_sends_both(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop, which web processes run on, gives a handle without a time where the moment of a call has come already."""
    monkeypatch.setattr(worker_link, "TICK_S", 0.0)

    async def told() -> list[AnyRequest]:
        script = Script(address)
        async with await local.listen(address, script.accept):
            link = WorkerLink("inference-0", script.address, script)
            await script.heard()
            for stream in range(2):
                link.put(EndStream(stream=stream))
            await asyncio.wait_for(script.was_told.wait(), PATIENCE_S)
            await link.close()
            await script.is_over.wait()
        return script.requests

    assert uvloop.run(told()) == [EndStream(stream=0), EndStream(stream=1)]


CHUNK = bytes(64 * 1024)
NUM_CHUNKS = 200


async def link_to_the_deaf(script: Script) -> WorkerLink:
    """A process that reports every second and reads nothing; a replay of 12 MiB is on its way to it."""
    script.listens.clear()
    link = WorkerLink("inference-0", script.address, script)
    await script.heard()
    link.open(0, [OpenStream(stream=0, options=StreamOptions()), *[AudioChunk(stream=0, payload=CHUNK)] * NUM_CHUNKS])
    link.put(EndStream(stream=0))
    while link._flush is not None and len(link._outbox) > NUM_CHUNKS:  # noqa: ASYNC110  # until the first tick
        await asyncio.sleep(worker_link.TICK_S)
    return link


async def test_what_a_process_does_not_read_waits_without_a_copy(script: Script) -> None:
    link = await link_to_the_deaf(script)
    await asyncio.sleep(5 * worker_link.TICK_S)
    assert link._writer is not None

    assert link._writer.transport.get_write_buffer_size() <= worker_link.MAX_UNSENT_BYTES + 2 * worker_link.FRAME_BYTES
    assert all(request.payload is CHUNK for request in link._outbox if isinstance(request, AudioChunk))
    assert len(link._outbox) > NUM_CHUNKS // 4
    await link.close()


async def test_a_process_that_reads_late_gets_everything_in_order_in_frames_of_bounded_size(script: Script) -> None:
    link = await link_to_the_deaf(script)

    script.listens.set()
    async with asyncio.timeout(PATIENCE_S):
        while script.requests[-1:] != [EndStream(stream=0)]:
            script.was_told.clear()
            await script.was_told.wait()

    assert [type(request) for request in script.requests] == [OpenStream, *[AudioChunk] * NUM_CHUNKS, EndStream]
    assert script.num_frames >= NUM_CHUNKS * len(CHUNK) // worker_link.FRAME_BYTES
    await link.close()


async def test_a_process_that_reads_nothing_for_long_is_lost(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_link, "WATCH_EVERY_S", 0.0)
    monkeypatch.setattr(worker_link, "MAX_SILENT_WATCHES", 1_000_000)
    link = await link_to_the_deaf(script)
    link._retry_s = 60.0

    async with asyncio.timeout(PATIENCE_S):
        while not script.num_lost:
            await script.heard()

    assert (link.status, len(link._outbox)) == (NO_WORKER, 0)
    await link.close()


async def test_a_link_that_ends_as_no_link_should_is_opened_again(script: Script, link: WorkerLink) -> None:
    assert link._writer is not None
    link._writer.transport.get_protocol().connection_lost(OSError(errno.EHOSTUNREACH, "No route to host"))

    async with asyncio.timeout(PATIENCE_S):
        while not (script.num_lost and link.can_take):
            await script.heard()

    assert script.num_lost == 1
