"""The /stream consumer: authenticate, accept, feed the session, carry out what it says.

Channels' routing, scope, authentication and origin check stand before it; the receive loop is our own, because Channels'
dispatch costs a task for every frame. No query and no channel layer on the audio path. One task writes to the socket.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from msgspec import to_builtins

from inference.client import StreamHandle
from inference.messages import ConfigureStream
from transcription import services
from transcription.access import Listener, listener_of_scope
from transcription.actions import (
    Action,
    CancelRecognition,
    Close,
    ConfigureRecognition,
    EndRecognition,
    FinalizeRecognition,
    OpenRecognition,
    RecordEnd,
    RecordFinal,
    RecordStart,
    Send,
    SendAudio,
)
from transcription.origins import refuse
from transcription.protocol import CloseCode, PartialResult, serialise
from transcription.recognizer import current_client
from transcription.recorder import ANNOUNCE_PATIENCE_S, current_recorder, wait_stored
from transcription.session import (
    WINDOW_MS,
    Phase,
    StreamSession,
)

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
SendEvent = Callable[[dict[str, Any]], Awaitable[None]]

MAX_UNSENT: Final = 1000
"""Messages that a client may leave unread; a fast talker makes 6 a second, so this is minutes."""
AFTERMATH_S: Final = 60.0
"""How long the last words of a client that went away may take."""
STORE_PATIENCE_S: Final = 10.0
"""How long a socket that is over waits for the database; a server that stops gives it 25 s in all."""


class StreamConsumer:
    """One socket."""

    def __init__(self, scope: Scope, send: SendEvent, listener: Listener) -> None:
        self.scope = scope
        self.listener = listener
        self.client = current_client()
        self.recorder = current_recorder()
        self.session_id = uuid.uuid4()
        self.session = StreamSession(
            str(self.session_id),
            settings.HARK_DEFAULT_LANGUAGE,
            time.monotonic,
            lambda: self.client.status.models,
        )
        self.handle: StreamHandle | None = None
        self.is_over = asyncio.Event()
        self._send = send
        self._stored: asyncio.Future[None] | None = None
        self._last_stored: asyncio.Future[None] | None = None
        self._outgoing: asyncio.Queue[tuple[Send | Close, asyncio.Future[None] | None]] = asyncio.Queue(MAX_UNSENT)

    @classmethod
    async def asgi(cls, scope: Scope, receive: Receive, send: SendEvent) -> None:
        """The ASGI application for a WebSocket scope that has passed Channels' middleware."""
        listener = listener_of_scope(scope)
        if not listener.is_known:
            await refuse(receive, send, CloseCode.NOT_AUTHENTICATED)
            return
        event = await receive()
        assert event["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await cls(scope, send, listener).run(receive)

    async def run(self, receive: Receive) -> None:
        """Until the socket is closed and the last word is stored."""
        writer = asyncio.create_task(self._write())
        farewell_s = 2 * ANNOUNCE_PATIENCE_S
        try:
            await self._read(receive)
            farewell_s = 0.0  # nobody is left to read a last message
            self.perform(self.session.on_disconnect())
            if self.session.phase is not Phase.OVER:
                await asyncio.wait_for(self.is_over.wait(), AFTERMATH_S)
        except TimeoutError:
            logger.warning("session %s: the last words did not come", self.session_id)
            self.perform(self.session.on_crash())
        except Exception:
            logger.exception("session %s failed", self.session_id)
            self.perform(self.session.on_crash())
        finally:
            await self._let_finish(writer, farewell_s)

    async def _let_finish(self, writer: "asyncio.Task[None]", farewell_s: float) -> None:
        """Give a terminal message its way out and the last words their way into the database.

        A server that stops waits for its sockets and for nothing else: what is not stored now is lost.
        """
        await asyncio.wait([writer], timeout=farewell_s)
        writer.cancel()
        if self.handle is not None:
            self.handle.cancel()
        if self._last_stored is not None:
            await wait_stored(self._last_stored, STORE_PATIENCE_S)

    async def _read(self, receive: Receive) -> None:
        """Feed the session what comes; while recognition is far behind, let the socket's own flow control hold the client."""
        timeout_s: int | None = settings.HARK_IDLE_TIMEOUT_S
        while True:
            try:
                async with asyncio.timeout(timeout_s):
                    event = await receive()
            except TimeoutError:
                self.perform(self.session.on_idle(settings.HARK_IDLE_TIMEOUT_S))
                timeout_s = None  # what is left to come is the disconnect
                continue
            if event["type"] == "websocket.disconnect":
                return
            payload = event.get("bytes")
            self.perform(self.session.on_audio(payload) if payload is not None else self.session.on_text(event["text"]))
            if self.handle is not None:
                await self.handle.wait_for_room(WINDOW_MS)

    async def _write(self) -> None:
        """One message after the other; a final is stored before it is announced."""
        while True:
            item, stored = await self._outgoing.get()
            if stored is not None and not stored.done():
                await wait_stored(stored, ANNOUNCE_PATIENCE_S)
            try:
                if isinstance(item, Close):
                    await self._send({"type": "websocket.close", "code": int(item.code), "reason": item.reason})
                    return
                await self._send({"type": "websocket.send", "text": serialise(item.message)})
            except (OSError, RuntimeError):
                return  # the client is gone; what it said is stored all the same

    def perform(self, actions: list[Action]) -> None:
        """Carry out `actions` in order."""
        for action in actions:
            match action:
                case Send() | Close():
                    self._queue(action)
                case RecordStart() | RecordFinal() | RecordEnd():
                    self._stored = self._last_stored = self.recorder.put(self._entry(action))
                case OpenRecognition(options=options):
                    self.handle = self.client.open_stream(options, self._on_events)
                case _:
                    self._tell_recognition(action)
        if self.session.phase is Phase.OVER:
            self.is_over.set()

    def _on_events(self, events: Any) -> None:
        """From the link. A fault here must not reach the other streams of the link."""
        try:
            self.perform(self.session.on_events(events))
        except Exception:
            logger.exception("session %s failed on a result", self.session_id)
            self.perform(self.session.on_crash())

    def _queue(self, item: Send | Close) -> None:
        """A client that does not read loses partials first, and is cut off when finals pile up too."""
        stored, self._stored = self._stored, None
        if self._outgoing.full():
            if isinstance(item, Send) and isinstance(item.message, PartialResult):
                return
            logger.warning("session %s: the client does not read; closing", self.session_id)
            while not self._outgoing.empty():
                self._outgoing.get_nowait()
            item = Close(CloseCode.POLICY, "slow_client")
        self._outgoing.put_nowait((item, stored))

    def _tell_recognition(self, action: Action) -> None:
        handle = self.handle
        assert handle is not None
        match action:
            case SendAudio(payload=payload):
                handle.send_audio(payload)
            case FinalizeRecognition():
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
                    )
                )

    def _entry(self, action: RecordStart | RecordFinal | RecordEnd) -> services.Entry:
        now = datetime.now(UTC)
        match action:
            case RecordStart():
                return services.SessionStarted(
                    session_id=self.session_id,
                    owner_id=self.listener.user_id,
                    client=_header(self.scope, b"user-agent"),
                    model=action.model,
                    language=action.language,
                    started_at=now,
                    metadata=dict(action.metadata),
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
                )
            case RecordEnd():
                return services.SessionFinished(
                    session_id=self.session_id,
                    status=action.status,
                    ended_at=now,
                    received_ms=action.received_ms,
                    transcribed_ms=action.transcribed_ms,
                    silence_ms=action.silence_ms,
                    gap_ms=action.gap_ms,
                    error_code=action.error_code,
                    latency=action.latency,
                )


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope.get("headers", ()) if key == name), "")
