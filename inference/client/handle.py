"""One stream as the web side holds it: its requests, its events, and the audio that is not settled yet.

Where the stream is recognised is not decided here; when its place is lost, `StreamHandle.replay` says what another
inference process must be told to go on with it, so that no word is lost and none comes twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from msgspec import structs

from inference.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, first_frame_at, first_sample_at
from inference.client.hush import Hush
from inference.errors import InferenceError, LinkLostError
from inference.messages import (
    LAG_MS,
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    AudioGap,
    CancelStream,
    Checkpoint,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    ModelChanged,
    OpenStream,
    QuietPassed,
    SpeechStarted,
    StreamDone,
    StreamFailed,
    StreamOpened,
    StreamOptions,
    StreamProgress,
    TranscriptFinal,
    failure,
)

TELL_EVERY_S: Final = 2
"""How much quiet passes until the owner is told that it is settled."""

OnEvents = Callable[[list[AnyStreamEvent]], None]


class Outlet(Protocol):
    """What carries a stream's requests."""

    def put(self, request: AnyStreamRequest, *, can_wait: bool = False) -> None:
        """`can_wait`: nobody waits for it; it still comes before what is put later."""

    def forget(self, handle: "StreamHandle") -> None: ...


@dataclass(slots=True)
class _Sent:
    """A request that may have to be repeated; it covers [`first_frame`, `end_frame`) of the stream, in its own rate."""

    request: AudioChunk | AudioGap | FinalizeStream
    first_frame: int
    end_frame: int


@dataclass(slots=True)
class StreamHandle:
    """One stream as the web side holds it. Not thread-safe.

    Events come through `on_events`, in order; after StreamDone or StreamFailed none follows. `checkpoint`: where the stream
    begins, later how far it is settled. `num_frames`: how far it was sent, gaps included, from its very first sample on.

    While the inference process says that a stream is in the quiet, quiet audio stays here (`inference.client.hush`): two seconds
    of it are kept, and what is older passes as silence.
    """

    client: Outlet
    number: int
    options: StreamOptions
    on_events: OnEvents
    checkpoint: Checkpoint = Checkpoint()
    was_opened: bool = False
    is_over: bool = False
    session: str = ""
    _unsettled: deque[_Sent] = field(default_factory=deque)
    num_frames: int = field(init=False)
    _is_ending: bool = False
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _deadline: asyncio.TimerHandle | None = None
    _hush: Hush = field(init=False)
    _forgotten_frame: int = 0
    _model: str = ""
    _began_sample: int = 0

    def __post_init__(self) -> None:
        self.num_frames = self._frame_of(self.checkpoint.settled_samples)
        self._hush = Hush(self.options)

    @property
    def goes_on(self) -> bool:
        """Whether it was open before, here or elsewhere: such a stream is not refused because much is to be done."""
        return self.was_opened or self.checkpoint != Checkpoint()

    @property
    def frame_bytes(self) -> int:
        return SAMPLE_BYTES[self.options.encoding] * self.options.num_channels

    @property
    def unsettled_ms(self) -> int:
        """How much audio was sent that is neither final text nor silence yet."""
        sent_samples = self.num_frames * SAMPLE_RATE_HZ // self.options.sample_rate_hz
        return max(0, sent_samples - self.checkpoint.settled_samples) * 1000 // SAMPLE_RATE_HZ

    def send_audio(self, payload: bytes) -> None:
        """`payload`: whole frames in the stream's encoding."""
        if self._hush.is_on:
            if self._hush.is_quiet(payload):
                self._hush.hold(payload)
                if self._hush.num_passed >= self.options.sample_rate_hz * TELL_EVERY_S:
                    self._tell_passed()
                return
            self._stop_holding()
        self._send(payload)

    def send_gap(self, num_frames: int) -> None:
        """`num_frames` at the stream's rate are missing for good; what is sent next comes after them."""
        self._stop_holding()
        self._repeatable(AudioGap(stream=self.number, num_frames=num_frames), num_frames)

    def configure(self, change: ConfigureStream) -> None:
        """From the next segment on; and at once where the stream has to be opened again."""
        self._stop_holding()
        self.options = change.applied_to(self.options)
        self.client.put(change)

    def ask_again(self, models: Collection[str]) -> None:
        """Its process has `models` since now. To go over to one of them, and what came with that, was asked of it in vain; or to
        have partial texts written by one of them."""
        options = self.options
        is_for_finals = options.model in models and options.model != self._model
        if options.model is None or not (is_for_finals or options.partial_model in models):
            return
        self._stop_holding()
        self.client.put(ConfigureStream.of(self.number, options))

    def finalize(self) -> None:
        self._stop_holding()
        self._repeatable(FinalizeStream(stream=self.number))

    def end(self) -> None:
        if not self._is_ending:
            self._stop_holding()
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
        if not (events := [event for event in self._with_changes(events) if not self._is_stale(event)]):
            return
        for event in events:
            match event:
                case StreamOpened():
                    self.was_opened = True
                case StreamProgress():
                    self._settle(event.checkpoint)
                    self._quieten(event)
                case SpeechStarted():
                    self._stop_holding()
                case StreamDone():
                    self._settle(event.checkpoint)
                case TranscriptFinal():
                    if event.from_finalize:
                        self._drop_finalize()
                    self._settle(event.checkpoint)
                case _:
                    pass
        if isinstance(events[-1], StreamDone | StreamFailed):
            self._finish()
        self.on_events(events)

    def _with_changes(self, events: list[AnyStreamEvent]) -> Iterator[AnyStreamEvent]:
        """`events`, and where the stream was opened again with another model, that it changed; its options follow."""
        for event in events:
            yield event
            if isinstance(event, StreamOpened):
                if self._model not in {"", event.model}:
                    number = self.checkpoint.next_segment
                    yield ModelChanged(stream=self.number, model=event.model, from_segment=number)
                self._model = event.model
            elif isinstance(event, ModelChanged):
                self._model = event.model
                self.options = structs.replace(self.options, model=event.model)

    def _is_stale(self, event: AnyStreamEvent) -> bool:
        """Whether it was said before the inference process knew of the quiet that has passed."""
        return isinstance(event, StreamProgress) and event.checkpoint.settled_samples < self.checkpoint.settled_samples

    def fail(self, err: InferenceError) -> None:
        self.client.put(CancelStream(stream=self.number))  # whoever was too slow must not keep it for ever
        self.take([failure(self.number, err)])

    def tell_lag(self, behind_ms: int) -> None:
        """Recognition has not looked at anything for `behind_ms`, and cannot say so itself."""
        behind_ms = min(behind_ms, self.unsettled_ms)
        if self.was_opened and behind_ms >= LAG_MS:
            self.on_events([StreamProgress(stream=self.number, checkpoint=self.checkpoint, behind_ms=behind_ms)])

    def replay(self) -> list[AnyStreamRequest]:
        """What a fresh inference process must be told to go on with this stream."""
        self._take_back()
        self._count_forgotten()
        first = self._frame_of(self.checkpoint.settled_samples)
        requests: list[AnyStreamRequest] = [self._opening()]
        requests.extend(self._from(sent, first) for sent in self._unsettled)
        if self._is_ending:
            requests.append(EndStream(stream=self.number))
        return requests

    def allow(self, patience_s: float) -> None:
        """Fail unless an event comes within `patience_s`."""
        self.forgive()
        err = LinkLostError("Speech recognition does not answer. The text so far is kept; try again in a moment.")
        self._deadline = asyncio.get_running_loop().call_later(patience_s, self.fail, err)

    @property
    def is_awaited(self) -> bool:
        """Whether it fails unless an event comes."""
        return self._deadline is not None

    def forgive(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # Inside

    def _opening(self) -> OpenStream:
        self._began_sample = self.checkpoint.settled_samples
        return OpenStream(
            stream=self.number, options=self.options, checkpoint=self.checkpoint, goes_on=self.goes_on, session=self.session
        )

    def _send(self, payload: bytes) -> None:
        self._repeatable(AudioChunk(stream=self.number, payload=payload), len(payload) // self.frame_bytes)

    def _stop_holding(self) -> None:
        """Send what is held back; what follows goes at once."""
        for request in self._take_back():
            self.client.put(request)

    def _take_back(self) -> list[AnyStreamRequest]:
        """What is to be sent of what was held back; it counts as sent."""
        requests: list[AnyStreamRequest] = []
        if self._hush.num_passed:
            requests.append(self._settle_passed())
        if self._hush.num_held:
            payload = self._hush.release()
            requests.append(self._note(AudioChunk(stream=self.number, payload=payload), len(payload) // self.frame_bytes))
        self._hush.stop()
        return requests

    def _quieten(self, progress: StreamProgress) -> None:
        """Hold quiet audio back from now on, or no more; forget that which would be silence in any case."""
        if progress.floor_db is None:
            self._stop_holding()
        first = self._frame_of(progress.checkpoint.settled_samples + progress.quiet_samples)
        while self._unsettled and isinstance(self._unsettled[0].request, AudioChunk) and self._unsettled[0].end_frame <= first:
            self._forgotten_frame = self._unsettled.popleft().end_frame
        if progress.floor_db is not None and not self._hush.is_on:
            self._begin_holding(progress.measured_samples, progress.floor_db)

    def _begin_holding(self, measured_samples: int, floor_db: float) -> None:
        """The inference process has heard so much. What it has not heard yet must be quiet too, and no finalize: its final tells
        how far the stream was settled then, which must not be before what has passed meanwhile."""
        first = self._frame_of(measured_samples)
        unheard = [sent for sent in self._unsettled if sent.end_frame > first or isinstance(sent.request, FinalizeStream)]
        payloads = [request.payload for sent in unheard if isinstance(request := self._from(sent, first), AudioChunk)]
        if len(payloads) == len(unheard):
            self._hush.begin(floor_db, measured_samples - self._began_sample)
            if self._hush.is_on and not all(self._hush.is_quiet(payload) for payload in payloads):
                self._hush.stop()

    def _tell_passed(self) -> None:
        self.client.put(self._settle_passed(), can_wait=True)
        self.on_events([StreamProgress(stream=self.number, checkpoint=self.checkpoint, behind_ms=0)])

    def _settle_passed(self) -> QuietPassed:
        """What has passed is settled, as silence."""
        num_passed, self._hush.num_passed = self._hush.num_passed, 0
        floor_db = self._hush.floor_db
        assert floor_db is not None
        self.num_frames += num_passed
        self._settle(self._with_silence_until(self.num_frames))
        return QuietPassed(stream=self.number, num_frames=num_passed, floor_db=floor_db)

    def _with_silence_until(self, frame: int) -> Checkpoint:
        """The checkpoint moved on to `frame`."""
        num_samples = max(0, first_sample_at(frame, self.options.sample_rate_hz) - self.checkpoint.settled_samples)
        return structs.replace(self.checkpoint, silence_samples=self.checkpoint.silence_samples + num_samples)

    def _count_forgotten(self) -> None:
        """What was forgotten and is not settled cannot be repeated: a fresh process begins after it."""
        self.checkpoint = self._with_silence_until(self._forgotten_frame)

    def _repeatable(self, request: AudioChunk | AudioGap | FinalizeStream, num_frames: int = 0) -> None:
        self._note(request, num_frames)
        if not self.is_over:
            self.client.put(request)

    def _note(self, request: AudioChunk | AudioGap | FinalizeStream, num_frames: int) -> AudioChunk | AudioGap | FinalizeStream:
        """Keep `request` until it is settled."""
        first, self.num_frames = self.num_frames, self.num_frames + num_frames
        if not self.is_over:
            self._unsettled.append(_Sent(request, first, self.num_frames))
        return request

    def _frame_of(self, sample: int) -> int:
        """The stream's own frame at a position at 16 kHz."""
        return first_frame_at(sample, self.options.sample_rate_hz)

    def _from(self, sent: _Sent, first: int) -> AudioChunk | AudioGap | FinalizeStream:
        """`sent` without the frames before `first`."""
        if isinstance(sent.request, FinalizeStream) or sent.first_frame >= first:
            return sent.request
        if isinstance(sent.request, AudioGap):
            return AudioGap(stream=self.number, num_frames=max(0, sent.end_frame - first))
        skipped_bytes = (first - sent.first_frame) * self.frame_bytes
        return AudioChunk(stream=self.number, payload=sent.request.payload[skipped_bytes:])

    def _settle(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        first = self._frame_of(checkpoint.settled_samples)
        while self._unsettled and not isinstance(self._unsettled[0].request, FinalizeStream):
            if self._unsettled[0].end_frame > first:
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
        self._hush.stop()
        self._hush.release()
        self._room.set()
        self.client.forget(self)
