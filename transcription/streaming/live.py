"""Streams that are being spoken in this web process. A stream outlives its sockets: a reliable client may come back over another.

`LiveStream` carries out what its session says: it sends, recognises and stores. What a socket does is in `consumers`; who may
come back, and how, in `resuming`.
"""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.conf import settings
from msgspec import to_builtins

from inference.client import StreamHandle
from inference.logs import about
from inference.messages import AnyStreamEvent, Checkpoint, ConfigureStream
from transcription import services
from transcription.listeners import Listener, Scope
from transcription.protocol import CloseCode, Gap, Resume, SessionError
from transcription.recognizer import current_client
from transcription.resumption import Hold, ResumeRight, TakenOver, hash_of
from transcription.serving.routebook import current_routebook
from transcription.session.actions import (
    Action,
    CancelRecognition,
    Close,
    ConfigureRecognition,
    DecodeAudio,
    DecodingAction,
    DiscardAudio,
    EndRecognition,
    FinalizeRecognition,
    FinishDecoding,
    OpenRecognition,
    RecordAction,
    RecordCheckpoint,
    RecordEnd,
    RecordFinal,
    RecordStart,
    Send,
    SendAudio,
    SendGap,
)
from transcription.session.arrival import WINDOW_MS
from transcription.session.closing import CRASHED, failure
from transcription.session.stream_session import Phase, Restored, StreamSession
from transcription.session.terms import Terms
from transcription.streaming.decoding import DecodingQueue
from transcription.streaming.keeping import AudioSink, Keeping, Tee, current_keeper, storing_for
from transcription.streaming.measuring import StreamMeasures, both
from transcription.streaming.outbox import Outbox
from transcription.streaming.recorder import current_recorder, wait_stored
from transcription.tracing.tracer import Following, current_tracer, times_of

logger = logging.getLogger(__name__)

STORE_PATIENCE_S: Final = 10.0
"""How long a stream that is over waits for the database; a server that stops gives it 25 s in all."""
AWAY_UNTIL_FINAL_S: Final = 30.0
"""A client keeps half a minute of audio: until then it may come back as if nothing had been, and no segment is cut for it."""
AFTERMATH_S: Final = 60.0
"""How long the last words of a client that went away may take."""
LINGER_S: Final = 30.0
"""How long a session that is over can still be asked for its last messages."""


class LiveStream:
    """One session, from its first message until its last word is stored."""

    def __init__(self, listener: Listener, client_name: str, session_id: uuid.UUID | None = None, epoch: int = 0) -> None:
        self.session_id = session_id or uuid.uuid4()
        self.listener = listener
        self.client_name = client_name
        self.epoch = epoch
        self.client = current_client()
        self.recorder = current_recorder()
        self.tracer = current_tracer()
        book = current_routebook()
        token = secrets.token_urlsafe(32)
        terms = Terms(
            settings.HARK_DEFAULT_LANGUAGE,
            models=lambda: self.client.status.models,
            routes=lambda: book.table,
            may_choose_model=Scope.CHOOSE_MODEL in listener.scopes,
            language_model=listener.language_model,
            storing=partial(storing_for, listener),
        )
        self.session = StreamSession(str(self.session_id), terms, time.monotonic, token, settings.HARK_RESUME_S)
        self.token_hash = hash_of(token)
        self.handle: StreamHandle | None = None
        self.keeping: Keeping | None = None
        self.sink: AudioSink | None = None  # the handle, and what keeps the audio where it is kept
        self.outbox: Outbox | None = None
        self.began_s = self.heard_s = time.monotonic()
        self.left_s: float | None = None
        self._over_s = 0.0
        self.finished = asyncio.Event()
        self._was_put_down = False
        self._was_flushed = False
        self._stored: asyncio.Future[None] | None = None
        self._last_stored: asyncio.Future[None] | None = None
        self._following: Following | None = None
        self._tick: asyncio.TimerHandle | None = None
        self.measures = StreamMeasures(self.session)
        self._decoding: DecodingQueue | None = None
        live_streams()[self.session_id] = self

    @classmethod
    def restored(cls, listener: Listener, client_name: str, session_id: uuid.UUID, token: str, taken: TakenOver) -> "LiveStream":
        """Go on with a session that another process began."""
        stream = cls(listener, client_name, session_id, taken.epoch)
        stream.session.resume_token, stream.token_hash = token, hash_of(token)
        restored = Restored(taken.start, taken.model, taken.checkpoint, tuple(taken.finals), tuple(taken.gaps), taken.done)
        stream.recorder.keep_alive(session_id)
        actions = stream.session.restore(restored)
        stream.measures.restored()
        stream.perform(actions)
        return stream

    # Sockets come and go

    def attach(self, outbox: Outbox) -> None:
        """From now on this socket is told; a former one is closed, and what it still sends changes nothing."""
        former, self.outbox = self.outbox, outbox
        self.left_s = None
        self._was_flushed = False
        self.heard_s = time.monotonic()
        if former is not None:
            former.put(Close(CloseCode.POLICY, "resumed_elsewhere"))

    def resume(self, outbox: Outbox, resume: Resume) -> None:
        self.attach(outbox)
        self.perform(self.session.on_resume(resume))

    def detach(self, outbox: Outbox) -> None:
        """The socket is gone. A session that can be resumed waits for its client; any other comes to its end."""
        if self.outbox is not outbox:
            return
        self.outbox = None
        self.left_s = time.monotonic()
        if not self.session.can_resume:
            self.perform(self.session.on_disconnect())

    def on_text(self, outbox: Outbox, text: str) -> None:
        if self.outbox is outbox:
            self.heard_s = time.monotonic()
            self.perform(self.session.on_text(text))

    def on_audio(self, outbox: Outbox, payload: bytes) -> None:
        if self.outbox is not outbox:
            return
        self.heard_s = time.monotonic()
        samples = self.session.pass_on(payload, self.heard_s)
        if samples is not None and self.sink is not None:
            self.sink.send_audio(samples)
        else:
            self.perform(self.session.on_audio(payload))

    @property
    def has_room(self) -> bool:
        """Whether more audio may be read."""
        is_behind = self.handle is not None and self.handle.unsettled_ms >= WINDOW_MS
        return not is_behind and (self._decoding is None or self._decoding.has_room)

    async def wait_for_room(self) -> None:
        """While recognition is far behind, the socket's own flow control holds the client."""
        if self._decoding is not None:
            await self._decoding.wait_for_room()
        if self.handle is not None:
            await self.handle.wait_for_room(WINDOW_MS)

    # Time and trouble

    def look_after(self, now_s: float) -> None:
        """Called every few seconds: limits, and the end of patience with a client that is away."""
        if self.session.phase is Phase.OVER:
            if now_s - max(self._over_s, self.left_s or 0.0) > LINGER_S:
                self.forget()
        elif self.left_s is not None:
            self._look_after_absent(now_s - self.left_s)
        elif now_s - self.heard_s > settings.HARK_IDLE_TIMEOUT_S:
            self.perform(self.session.on_idle(settings.HARK_IDLE_TIMEOUT_S))
        elif settings.HARK_MAX_SESSION_S and now_s - self.began_s > settings.HARK_MAX_SESSION_S:
            self.perform(self.session.on_too_long(settings.HARK_MAX_SESSION_S))

    def _look_after_absent(self, away_s: float) -> None:
        patience_s = settings.HARK_RESUME_S if self.session.is_shared else 0
        if away_s > patience_s + AFTERMATH_S:
            logger.warning("session %s: the last words did not come", self.session_id, extra=about(self.session_id))
            self.crash()
        elif away_s > patience_s:
            self.perform(self.session.on_disconnect())
        elif away_s > AWAY_UNTIL_FINAL_S and not self._was_flushed:
            self._was_flushed = True
            self.perform(self.session.on_silence_of_client())

    def reroute(self) -> None:
        """The routes, or the models that are loaded, may have changed."""
        self.perform(self.session.on_routes())

    def crash(self) -> None:
        """The client is told in any case, also where the session cannot come to its end or believes that all is said."""
        outbox = self.outbox
        try:
            self.perform(self.session.on_crash())
        except Exception:
            logger.exception("session %s cannot come to its end", self.session_id, extra=about(self.session_id))
            self.outbox = None
            self.abandon()
        if outbox is not None:
            outbox.put_all(failure(CRASHED))

    def refuse(self, code: str, message: str, *, is_retryable: bool = False) -> None:
        """Its client may not be here any more: the session ends, and keeps the text so far."""
        self.perform(self.session.on_refusal(code, message, is_retryable=is_retryable))

    def erase(self) -> None:
        """Its owner wants all forgotten that was said: it ends, and nobody can come back to it."""
        self.refuse("data_erased", "Everything that was said here is being deleted, as its owner asked. Start a new session.")
        self.forget()

    def abandon(self) -> None:
        """Another process has the session: nothing more is said or stored here."""
        self._was_put_down = True
        self.session.phase = Phase.OVER
        self.recorder.let_go(self.session_id)
        if self.handle is not None:
            self.handle.cancel()
        if self.outbox is not None:
            self.outbox.put(Close(CloseCode.POLICY, "resumed_elsewhere"))
        self._settle_over()
        self.forget()

    def drain(self) -> None:
        """Put the session down: its client goes on elsewhere, or here as if elsewhere. What cannot go on comes to its end."""
        is_put_down = self.session.can_resume and self.session.phase is not Phase.OVER
        self.perform(self.session.on_drain())
        self._was_put_down = self._was_put_down or is_put_down
        if is_put_down:
            self.recorder.let_go(self.session_id)
            self.forget()

    async def stored(self, patience_s: float = STORE_PATIENCE_S) -> bool:
        """Wait until what was said is stored."""
        return self._last_stored is None or await wait_stored(self._last_stored, patience_s)

    def forget(self) -> None:
        """Nobody can come back to it."""
        self.measures.tally()
        if live_streams().get(self.session_id) is self:
            del live_streams()[self.session_id]
        if self.handle is not None:
            self.handle.cancel()
        if self._decoding is not None:
            self._decoding.cancel()

    # What the session says

    def perform(self, actions: Sequence[Action]) -> None:
        """Carry out `actions` in order."""
        for action in actions:
            match action:
                case SendAudio(payload=payload) if self.sink is not None:
                    self.sink.send_audio(payload)
                case Send() | Close():
                    self._tell_client(action)
                case RecordStart() | RecordFinal() | RecordCheckpoint() | RecordEnd():
                    self._record(action)
                case DecodeAudio() | FinishDecoding():
                    self._decode(action)
                case OpenRecognition():
                    self.measures.began()
                    self._open(action)
                case _:
                    self._tell_recognition(action)
        if self.session.phase is Phase.OVER:
            self._settle_over()
        elif self._tick is None and (due_s := self.session.next_tick_s) is not None and self.outbox is not None:
            self._tick = asyncio.get_running_loop().call_later(max(0.0, due_s - time.monotonic()), self._on_tick)

    def _open(self, action: OpenRecognition) -> None:
        name = str(self.session_id)
        self.sink = self.handle = self.client.open_stream(action.options, self._on_events, action.checkpoint, name)
        self._discard_audio()
        if action.stores_audio:
            self.keeping = current_keeper().begin(self.session_id, self.epoch, action.options, action.checkpoint)
            self.sink = Tee(self.handle, self.keeping)

    def _discard_audio(self) -> None:
        if self.keeping is not None:
            self.keeping.discard()
            self.keeping, self.sink = None, self.handle

    def _on_tick(self) -> None:
        self._tick = None
        if self.outbox is not None:  # whoever is away cannot be asked for anything
            self._guarded(self.session.on_tick)

    def _on_events(self, events: list[AnyStreamEvent]) -> None:
        self._guarded(lambda: self.session.on_events(events))

    def _guarded(self, step: Any) -> None:
        """A fault in here must not reach the other streams of the link or the loop."""
        try:
            self.perform(step())
        except Exception:
            logger.exception("session %s failed", self.session_id, extra=about(self.session_id))
            self.crash()

    def _settle_over(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self.keeping is not None:
            self.keeping.finish(self._last_stored)
        if not self.finished.is_set():
            self._over_s = time.monotonic()
            self.finished.set()
            if not self.session.can_resume or self._was_put_down:
                self.forget()

    def _decode(self, action: DecodingAction) -> None:
        if isinstance(action, DecodeAudio):
            if self._decoding is None:
                self._decoding = DecodingQueue(action.kind, self._on_decoded, self._on_undecodable, self._on_decoded_end)
            self._decoding.push(action.payload)
        elif self._decoding is not None:
            self._decoding.finish()
        else:
            self._on_decoded_end()

    def _on_decoded(self, pcm: bytes) -> None:
        self._guarded(lambda: self.session.on_decoded(pcm))

    def _on_decoded_end(self) -> None:
        self._guarded(self.session.on_decoded_end)

    def _on_undecodable(self, code: str, message: str) -> None:
        self._guarded(lambda: self.session.on_undecodable(code, message))

    def _tell_client(self, item: Send | Close) -> None:
        """A client that does not read loses partials first, and is cut off when finals pile up too."""
        stored, self._stored = self._stored, None
        following, self._following = self._following, None
        counted = (
            self.measures.sending(item.message, self.heard_s, is_stored=stored is not None) if isinstance(item, Send) else None
        )
        if self.outbox is None:
            if following is not None:
                following.on_nobody_there()
            return
        if self.outbox.put(item, stored, both(counted, None if following is None else following.on_sent)):
            return
        logger.warning("session %s: the client does not read; closing", self.session_id, extra=about(self.session_id))
        outbox, self.outbox = self.outbox, None
        sentence = "Too many messages wait to be read. The session is stored; read faster."
        outbox.cut(Send(SessionError(code="slow_client", message=sentence, retryable=False)), CloseCode.POLICY, "slow_client")
        self.left_s = time.monotonic()
        self.perform(self.session.on_disconnect())

    def _tell_recognition(self, action: Action) -> None:
        handle = self.handle
        if handle is None:
            return
        match action:
            case SendGap(num_frames=num_frames):
                handle.send_gap(num_frames)
                if self.keeping is not None:
                    self.keeping.write_gap(num_frames)
            case DiscardAudio():
                self._discard_audio()
            case FinalizeRecognition():
                self.measures.finalized()
                handle.finalize()
            case EndRecognition():
                handle.end()
            case CancelRecognition():
                handle.cancel()
            case ConfigureRecognition():
                handle.configure(
                    ConfigureStream(
                        stream=handle.number,
                        languages=action.languages,
                        hotwords=action.hotwords,
                        endpoint_ms=action.endpoint_ms,
                        max_segment_ms=action.max_segment_ms,
                        interim=action.interim,
                        model=action.model,
                        partial_model=action.partial_model,
                        language_model=action.language_model,
                    )
                )

    # What is stored

    def _record(self, action: RecordAction) -> None:
        self.measures.recorded(action)
        stored = self.recorder.put(self._entry(action))
        self._stored = self._last_stored = stored
        if isinstance(action, RecordFinal):
            self._follow(action, stored)
        elif isinstance(action, RecordEnd):
            self._log_end(action)
        if isinstance(action, RecordFinal | RecordCheckpoint) and self.session.is_reliable:
            checkpoint = action.checkpoint
            stored.add_done_callback(lambda _stored: self.session.on_stored(checkpoint))

    def _follow(self, action: RecordFinal, stored: "asyncio.Future[None]") -> None:
        """Say where the final's time went: in the log where somebody reads so much, as a trace where that is wished."""
        final, timings = action.final, action.timings
        if logger.isEnabledFor(logging.DEBUG):
            sentence = "segment %d of session %s: %d ms long, waited %.0f ms, computed %.0f ms"
            subject = about(self.session_id, segment=final.segment)
            length_ms, name = final.end_ms - final.start_ms, self.session_id
            logger.debug(sentence, final.segment, name, length_ms, timings.queue_ms, timings.infer_ms, extra=subject)
        if self.tracer is not None:
            times = times_of(str(self.session_id), final, timings, self.session.results.latency.first_audio_s)
            self._following = self.tracer.follow(times, stored)

    def _log_end(self, end: RecordEnd) -> None:
        reason = f" ({end.error_code})" if end.error_code else ""
        heard_s, num_finals = end.account.received_ms / 1000, self.session.results.num_finals
        sentence = "session %s is over: %s%s, %.1f s of audio, %d segments"
        logger.info(sentence, self.session_id, end.status, reason, heard_s, num_finals, extra=about(self.session_id))

    def _hold(self, checkpoint: Checkpoint) -> Hold | None:
        return Hold(self.epoch, checkpoint) if self.session.is_shared else None

    def _entry(self, action: RecordAction) -> services.Entry:
        now = datetime.now(UTC)
        match action:
            case RecordStart():
                return services.SessionStarted(
                    session_id=self.session_id,
                    owner_id=self.listener.user_id,
                    key_id=self.listener.key_id,
                    client=self.client_name,
                    model=action.model,
                    language=action.language,
                    started_at=now,
                    metadata=dict(action.metadata),
                    right=None if action.options is None else ResumeRight(self.token_hash, to_builtins(action.options)),
                )
            case RecordFinal(final=final):
                return services.SegmentFinished(
                    session_id=self.session_id,
                    number=final.segment,
                    text=final.text,
                    start_ms=final.start_ms,
                    end_ms=final.end_ms,
                    confidence=final.confidence,
                    language=final.language,
                    model=final.model,
                    words=to_builtins(final.words),
                    revised=final.revised,
                    hold=self._hold(action.checkpoint),
                )
            case RecordCheckpoint():
                return services.CheckpointReached(
                    session_id=self.session_id,
                    hold=Hold(self.epoch, action.checkpoint),
                    gaps=stored_gaps(action.gaps),
                    options=to_builtins(action.options),
                )
            case RecordEnd(account=account):
                return services.SessionFinished(
                    session_id=self.session_id,
                    status=action.status,
                    ended_at=now,
                    received_ms=account.received_ms,
                    transcribed_ms=account.transcribed_ms,
                    silence_ms=account.silence_ms,
                    gap_ms=account.gap_ms,
                    error_code=action.error_code,
                    latency=action.latency,
                    gaps=stored_gaps(action.gaps),
                    hold=self._hold(self.session.checkpoint),
                    is_given_up=action.is_given_up,
                )


def stored_gaps(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    return [{"from_ms": gap.from_ms, "to_ms": gap.to_ms, "reason": gap.reason} for gap in gaps]


_live: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[uuid.UUID, LiveStream]] = WeakKeyDictionary()


def live_streams() -> dict[uuid.UUID, LiveStream]:
    """Those of the running event loop, by session."""
    return _live.setdefault(asyncio.get_running_loop(), {})


def every_live_stream() -> list[LiveStream]:
    """Those of all event loops of the process. From any thread."""
    return [stream for streams in tuple(_live.values()) for stream in tuple(streams.values())]
