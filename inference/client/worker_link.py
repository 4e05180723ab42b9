"""The link to one inference process: kept open, opened again whenever it breaks, given up when the process is silent.

Requests gather in an outbox and leave once per tick in one frame. What becomes of the streams of a lost link is the
owner's affair.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import structs

from inference.client.handle import StreamHandle
from inference.client.placement import Candidate
from inference.link import local
from inference.messages import (
    AnyEvent,
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    StreamEvent,
    StreamOpened,
    WorkerLoad,
    WorkerStatus,
    encoder,
    event_decoder,
)

logger = logging.getLogger(__name__)

TICK_S: Final = 0.01
QUIET_TICK_S: Final = 0.1
"""For what nobody waits for: thousands of quiet streams shall wake the inference process ten times a second, not a hundred."""
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
WATCH_EVERY_S: Final = 1.0
MAX_SILENT_WATCHES: Final = 5
"""Looks in a row at which nothing had come since the one before. The process reports once a second."""
FRAME_BYTES: Final = 1024 * 1024
"""Audio in one link frame, about: a replay of thousands of streams is many frames, with other work of this process between."""
MAX_UNSENT_BYTES: Final = 4 * FRAME_BYTES
"""What may lie in the socket's buffer. The rest waits in the outbox, as the same bytes that its streams keep until they are
settled, so it costs nothing beside them."""
MAX_STALLED_WATCHES: Final = 30
"""Looks in a row at which there was something to send and none of it could be. A process that is merely slow reads all the
same; one whose recognition hangs ends itself before."""
MAX_STALLED_MS: Final = 5_000
"""A process whose recognition thread has not turned for so long gets no new stream."""
NO_WORKER: Final = WorkerStatus(node="", is_ready=False, detail="No inference process answers.")


class LinkOwner(Protocol):
    """Who is told what a link brings."""

    def on_news(self, link: "WorkerLink") -> None:
        """Its status or load is new, or nobody answers."""

    def on_events(self, link: "WorkerLink", stream: int, events: list[AnyStreamEvent]) -> None:
        """All events of one frame for one stream, in order."""

    def on_lost(self, link: "WorkerLink") -> None:
        """Its process knows nothing of its streams any more."""


class WorkerLink:
    """Args:
    name: for people: `inference-0`.
    address: where the process listens.

    `status` and `load` are what the process said last; NO_WORKER while there is no link.
    """

    def __init__(self, name: str, address: str, owner: LinkOwner) -> None:
        self.name = name
        self.address = address
        self.status = NO_WORKER
        self.load = WorkerLoad()
        self.was_tried = False
        self._owner = owner
        self._opening: set[int] = set()
        self._num_opened = 0
        self._num_ended = 0
        self._outbox: deque[AnyStreamRequest] = deque()
        self._num_stalled_watches = 0
        self._flush: asyncio.TimerHandle | None = None
        self._flush_due_s = 0.0
        self._writer: asyncio.StreamWriter | None = None
        self._retry_s = FIRST_RETRY_S
        self._num_silent_watches = 0
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._keep_linked(), name=f"link-{name}")
        self._task.add_done_callback(_log_death)

    @property
    def can_take(self) -> bool:
        """Whether a stream may be placed here."""
        return self.status.is_ready and self.load.stalled_ms < MAX_STALLED_MS

    def has_room_for(self, handle: StreamHandle) -> bool:
        """Whether it would not be refused, as far as is known."""
        return not self.load.is_full and (handle.goes_on or not self.load.is_overloaded)

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.status.models, self.load, len(self._opening) + self._num_opened, self._num_ended)

    def open(self, stream: int, requests: Sequence[AnyStreamRequest]) -> None:
        """Place a stream; `requests` begin with OpenStream."""
        self._opening.add(stream)
        for request in requests:
            self.put(request)

    def put(self, request: AnyStreamRequest, *, can_wait: bool = False) -> None:
        """Queue `request` for the next tick; if it `can_wait`, for the next one that something else needs."""
        self._outbox.append(request)
        self._send_within(QUIET_TICK_S if can_wait else TICK_S)

    def _send_within(self, seconds: float) -> None:
        due_s = self._loop.time() + seconds
        if self._flush is not None:
            if self._flush_due_s <= due_s:
                return
            self._flush.cancel()
        self._flush_due_s = due_s  # uvloop's handle does not know it where that moment has come already
        self._flush = self._loop.call_at(due_s, self._send)

    def forget(self, stream: int) -> None:
        """The stream is not here any more."""
        if stream in self._opening:
            self._opening.discard(stream)
        else:
            self._num_ended += 1

    def mark_full(self) -> None:
        """It has refused a stream; believed until its next report."""
        self.load = structs.replace(self.load, is_full=True)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _send(self) -> None:
        """Write what gathered, as far as the process takes it; the rest in a later tick."""
        self._flush = None
        if self._writer is None:
            self._outbox.clear()
            return
        while self._outbox and self._writer.transport.get_write_buffer_size() < MAX_UNSENT_BYTES:
            self._writer.write(local.pack(encoder.encode(self._next_frame())))
            self._num_stalled_watches = 0
        if self._outbox:
            self._send_within(TICK_S)

    def _next_frame(self) -> list[AnyStreamRequest]:
        """The oldest requests, up to the one with which their audio fills a frame."""
        frame: list[AnyStreamRequest] = []
        num_bytes = 0
        while self._outbox and num_bytes < FRAME_BYTES:
            request = self._outbox.popleft()
            frame.append(request)
            num_bytes += len(request.payload) if isinstance(request, AudioChunk) else 0
        return frame

    async def _keep_linked(self) -> None:
        while True:
            await self._link()
            self.was_tried = True
            self._owner.on_news(self)
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)

    async def _link(self) -> None:
        """One link from its beginning to its end."""
        try:
            reader, writer = await local.connect(self.address)
        except OSError:
            return
        self._writer = writer
        self._num_silent_watches = self._num_stalled_watches = 0
        watch = self._loop.create_task(self._watch(writer), name=f"watch-{self.name}")
        try:
            await self._listen(reader)
        except ValueError:
            logger.exception("what answers at %s does not speak this protocol; trying again", self.address)
        finally:
            watch.cancel()
            await self._lose(writer)

    async def _watch(self, writer: asyncio.StreamWriter) -> None:
        """Give the link up when the process is silent, or does not read for long. Looks are counted, not seconds: if this web
        process was held up itself, what came meanwhile is read before the next look, and nobody is blamed.
        """
        while self._num_silent_watches < MAX_SILENT_WATCHES and self._num_stalled_watches < MAX_STALLED_WATCHES:
            self._num_silent_watches += 1
            self._num_stalled_watches += bool(self._outbox)
            await asyncio.sleep(WATCH_EVERY_S)
        manner = "is silent" if self._num_silent_watches >= MAX_SILENT_WATCHES else "reads nothing"
        logger.error("%s %s, as if it hung; its link is given up", self.name, manner)
        writer.transport.abort()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while (body := await local.read_frame(reader)) is not None:
            self._num_silent_watches = 0
            self._dispatch(event_decoder.decode(body))

    def _dispatch(self, events: list[AnyEvent]) -> None:
        """Hand the owner each stream's events of the frame in one piece."""
        by_stream: dict[int, list[AnyStreamEvent]] = {}
        for event in events:
            if isinstance(event, WorkerStatus):
                self.status = event
                self._retry_s = FIRST_RETRY_S
            elif isinstance(event, WorkerLoad):
                self.load = event
                self._num_opened = self._num_ended = 0
            elif isinstance(event, StreamEvent):
                by_stream.setdefault(event.stream, []).append(event)
        if len(by_stream) < len(events):
            self.was_tried = True
            self._owner.on_news(self)
        for stream, stream_events in by_stream.items():
            self._count_opened(stream, stream_events)
            self._owner.on_events(self, stream, stream_events)

    def _count_opened(self, stream: int, events: list[AnyStreamEvent]) -> None:
        if isinstance(events[0], StreamOpened) and stream in self._opening:
            self._opening.discard(stream)
            self._num_opened += 1

    async def _lose(self, writer: asyncio.StreamWriter) -> None:
        self.status = NO_WORKER
        self.load = WorkerLoad()
        self._writer = None
        self._outbox.clear()
        self._opening.clear()
        self._num_opened = self._num_ended = 0
        self._owner.on_lost(self)
        writer.transport.abort()  # nobody may be there to read what was not sent yet
        await local.close(writer)


def _log_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (err := task.exception()) is not None:
        logger.error("a link to an inference process ended", exc_info=err)
