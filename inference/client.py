"""The only door through which the web side uses recognition: one link per process, any number of streams on it.

Everything runs on the event loop that made the client. Requests gather in an outbox and leave once per tick in one frame.
A stream keeps the audio that is not settled yet; when the inference process is lost and comes back, each stream is opened
again at its last checkpoint and that audio is sent once more, so that no word is lost and none comes twice.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from inference.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from inference.errors import LinkLostError
from inference.link import local
from inference.messages import (
    AnyEvent,
    AnyRequest,
    AnyStreamEvent,
    AudioChunk,
    CancelStream,
    Checkpoint,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    OpenStream,
    StreamDone,
    StreamFailed,
    StreamOptions,
    StreamProgress,
    TranscriptFinal,
    WorkerStatus,
    encoder,
    event_decoder,
)

logger = logging.getLogger(__name__)

TICK_S: Final = 0.01
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
OPEN_PATIENCE_S: Final = 10.0
"""How long a new stream waits for an inference process that is ready."""
LOST_PATIENCE_S: Final = 120.0
"""How long a stream waits for its inference process to come back: a model load and some."""
NO_WORKER: Final = WorkerStatus(node="", is_ready=False, detail="No inference process answers.")

OnEvents = Callable[[list[AnyStreamEvent]], None]


@dataclass(slots=True)
class _Sent:
    """A request that may have to be repeated. `first_frame`: where it stands in the stream, in frames of its own rate."""

    request: AudioChunk | FinalizeStream
    first_frame: int


@dataclass(slots=True)
class StreamHandle:
    """One stream as the web side holds it. Not thread-safe.

    Events come through `on_events`, in order; after StreamDone or StreamFailed none follows.
    """

    client: "InferenceClient"
    number: int
    options: StreamOptions
    on_events: OnEvents
    checkpoint: Checkpoint = Checkpoint()
    is_over: bool = False
    _unsettled: deque[_Sent] = field(default_factory=deque)
    _num_frames: int = 0
    _is_ending: bool = False
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _deadline: asyncio.TimerHandle | None = None

    @property
    def frame_bytes(self) -> int:
        return SAMPLE_BYTES[self.options.encoding] * self.options.num_channels

    @property
    def unsettled_ms(self) -> int:
        """How much audio was sent that is neither final text nor silence yet."""
        sent_samples = self._num_frames * SAMPLE_RATE_HZ // self.options.sample_rate_hz
        return max(0, sent_samples - self.checkpoint.settled_samples) * 1000 // SAMPLE_RATE_HZ

    def send_audio(self, payload: bytes) -> None:
        """`payload`: whole frames in the stream's encoding."""
        self._repeatable(AudioChunk(stream=self.number, payload=payload))
        self._num_frames += len(payload) // self.frame_bytes

    def configure(self, change: ConfigureStream) -> None:
        """From the next segment on; and at once where the stream has to be opened again."""
        self.options = change.applied_to(self.options)
        self.client.put(change)

    def finalize(self) -> None:
        self._repeatable(FinalizeStream(stream=self.number))

    def end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            self.client.put(EndStream(stream=self.number))

    def cancel(self) -> None:
        """Forget the stream; no event follows."""
        if not self.is_over:
            self.client.put(CancelStream(stream=self.number))
            self._finish()

    async def wait_for_room(self, window_ms: int) -> None:
        """Until less than `window_ms` of audio is unsettled, or the stream is over."""
        while self.unsettled_ms >= window_ms and not self.is_over:
            self._room.clear()
            await self._room.wait()

    # For the client

    def take(self, events: list[AnyStreamEvent]) -> None:
        """Events of one link frame."""
        self.forgive()
        for event in events:
            match event:
                case StreamProgress() | StreamDone():
                    self._settle(event.checkpoint)
                case TranscriptFinal(from_finalize=True):
                    self._drop_finalize()
                case _:
                    pass
        if isinstance(events[-1], StreamDone | StreamFailed):
            self._finish()
        self.on_events(events)

    def fail(self, err: LinkLostError) -> None:
        self.take([StreamFailed(stream=self.number, code=err.code, message=err.message, retryable=err.is_retryable)])

    def replay(self) -> list[AnyRequest]:
        """What a fresh inference process must be told to go on with this stream."""
        first = self._frame_of(self.checkpoint.settled_samples)
        requests: list[AnyRequest] = [OpenStream(stream=self.number, options=self.options, checkpoint=self.checkpoint)]
        requests.extend(self._from(sent, first) for sent in self._unsettled)
        if self._is_ending:
            requests.append(EndStream(stream=self.number))
        return requests

    def allow(self, patience_s: float) -> None:
        """Fail unless an event comes within `patience_s`."""
        self.forgive()
        err = LinkLostError("Speech recognition does not answer. The text so far is kept; try again in a moment.")
        self._deadline = asyncio.get_running_loop().call_later(patience_s, self.fail, err)

    def forgive(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # Inside

    def _repeatable(self, request: AudioChunk | FinalizeStream) -> None:
        if self.is_over:
            return
        self._unsettled.append(_Sent(request, self._num_frames))
        self.client.put(request)

    def _frame_of(self, sample: int) -> int:
        """The stream's own frame at a position at 16 kHz."""
        return -(-sample * self.options.sample_rate_hz // SAMPLE_RATE_HZ)

    def _from(self, sent: _Sent, first: int) -> AudioChunk | FinalizeStream:
        """`sent` without the frames before `first`."""
        if isinstance(sent.request, FinalizeStream) or sent.first_frame >= first:
            return sent.request
        skipped_bytes = (first - sent.first_frame) * self.frame_bytes
        return AudioChunk(stream=self.number, payload=sent.request.payload[skipped_bytes:])

    def _settle(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        first = self._frame_of(checkpoint.settled_samples)
        while self._unsettled and isinstance(chunk := self._unsettled[0].request, AudioChunk):
            if self._unsettled[0].first_frame + len(chunk.payload) // self.frame_bytes > first:
                break
            self._unsettled.popleft()
        self._room.set()

    def _drop_finalize(self) -> None:
        done = next((sent for sent in self._unsettled if isinstance(sent.request, FinalizeStream)), None)
        if done is not None:
            self._unsettled.remove(done)

    def _finish(self) -> None:
        self.is_over = True
        self.forgive()
        self._unsettled.clear()
        self._room.set()
        self.client.forget(self)


class InferenceClient:
    """Keeps a link to the inference process at `address` and opens it again whenever it breaks.

    `status` is what the inference process said last; NO_WORKER while there is no link.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.status = NO_WORKER
        self._handles: dict[int, StreamHandle] = {}
        self._waiting: dict[int, StreamHandle] = {}
        self._numbers = itertools.count()
        self._outbox: list[AnyRequest] = []
        self._flush: asyncio.TimerHandle | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._heard_status = asyncio.Event()
        self._retry_s = FIRST_RETRY_S
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._keep_linked(), name="inference-link")
        self._task.add_done_callback(_log_death)

    def open_stream(self, options: StreamOptions, on_events: OnEvents) -> StreamHandle:
        """Open a stream; StreamOpened or StreamFailed comes first."""
        handle = StreamHandle(self, next(self._numbers), options, on_events)
        self._handles[handle.number] = handle
        handle.allow(OPEN_PATIENCE_S)
        if self.status.is_ready:
            self.put(OpenStream(stream=handle.number, options=options))
        else:
            self._waiting[handle.number] = handle
        return handle

    async def heard_status(self, patience_s: float) -> WorkerStatus:
        """The status; waits up to `patience_s` for the first word of a link that is just being opened."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard_status.wait(), patience_s)
        return self.status

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def put(self, request: AnyRequest) -> None:
        """Queue `request` for the next tick; a stream that waits for its replay is not told twice."""
        if request.stream in self._waiting:
            return
        self._outbox.append(request)
        if self._flush is None:
            self._flush = self._loop.call_later(TICK_S, self._send)

    def forget(self, handle: StreamHandle) -> None:
        self._handles.pop(handle.number, None)
        self._waiting.pop(handle.number, None)

    def _send(self) -> None:
        self._flush = None
        requests, self._outbox = self._outbox, []
        if self._writer is not None and requests:
            self._writer.write(local.pack(encoder.encode(requests)))

    async def _keep_linked(self) -> None:
        while True:
            await self._link()
            self._heard_status.set()
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)

    async def _link(self) -> None:
        """One link from its beginning to its end."""
        try:
            reader, self._writer = await local.connect(self.address)
        except OSError:
            return
        try:
            await self._listen(reader)
        except ValueError:
            logger.exception("what answers at %s does not speak this protocol; trying again", self.address)
        finally:
            await self._lose_link(self._writer)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while (body := await local.read_frame(reader)) is not None:
            self._dispatch(event_decoder.decode(body))

    def _dispatch(self, events: list[AnyEvent]) -> None:
        """Hand each stream its events of the frame in one piece."""
        by_stream: dict[int, list[AnyStreamEvent]] = {}
        for event in events:
            if isinstance(event, WorkerStatus):
                self._hear(event)
            else:
                by_stream.setdefault(event.stream, []).append(event)
        for number, stream_events in by_stream.items():
            handle = self._handles.get(number)
            if handle is not None:
                handle.take(stream_events)

    def _hear(self, status: WorkerStatus) -> None:
        self.status = status
        self._retry_s = FIRST_RETRY_S
        self._heard_status.set()
        if not status.is_ready:
            return
        waiting, self._waiting = list(self._waiting.values()), {}
        for handle in waiting:
            for request in handle.replay():
                self.put(request)

    async def _lose_link(self, writer: asyncio.StreamWriter) -> None:
        """Every stream waits for the process to come back."""
        self.status = NO_WORKER
        self._writer = None
        self._outbox.clear()
        self._waiting = dict(self._handles)
        for handle in list(self._handles.values()):
            handle.allow(LOST_PATIENCE_S)
        if self._handles:
            logger.warning("the inference process is gone; %d streams wait for it", len(self._handles))
        await local.close(writer)


def _log_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (err := task.exception()) is not None:
        logger.error("the link to the inference process ended", exc_info=err)
