"""The /stream consumer: one socket. It authenticates, accepts, and hands what comes to its stream.

Channels' routing, scope, authentication and origin check stand before it; the receive loop is our own, because Channels'
dispatch costs a task for every frame. No query and no channel layer on the audio path. One task writes to the socket.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from django.conf import settings

from inference.logs import about
from transcription.access.door import Admission, authenticate, draining, leave
from transcription.access.limits import ByteBudget
from transcription.access.refusals import Refusal, refuse
from transcription.listeners import Listener
from transcription.metrics.meters import web
from transcription.parsing import ProtocolError, parse
from transcription.protocol import CloseCode, Resume, SessionError
from transcription.session.actions import Close, Send
from transcription.session.closing import CRASHED, failure
from transcription.session.stream_session import Phase
from transcription.streaming.caretaking import ensure_caretaker
from transcription.streaming.draining import current_drain
from transcription.streaming.live import LiveStream
from transcription.streaming.outbox import Outbox, SendEvent
from transcription.streaming.recorder import current_recorder
from transcription.streaming.reporting import ensure_reporter
from transcription.streaming.rerouting import ensure_rerouter, routes_known
from transcription.streaming.resuming import StorageAwayError, find_session
from transcription.streaming.warden import Loss, current_warden

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

STORAGE_RETRY_AFTER_S: Final = 10
FAREWELL_S: Final = 2.0
"""How long a last message has to get out."""


class StreamConsumer:
    """One socket."""

    def __init__(self, scope: Scope, receive: Receive, send: SendEvent, listener: Listener) -> None:
        self.listener = listener
        self.client_name = _header(scope, b"user-agent")
        self.outbox = Outbox(send)
        self.stream: LiveStream | None = None
        self._receive = receive
        self._send = send
        self._budget = ByteBudget(settings.HARK_MAX_BYTES_PER_S, time.monotonic)
        self._is_over_budget = False
        self._give_to = scope.get("extensions", {}).get("hark.audio", {}).get("give_to")

    @classmethod
    async def asgi(cls, scope: Scope, receive: Receive, send: SendEvent) -> None:
        """The ASGI application for a WebSocket scope that has passed Channels' middleware."""
        try:
            if current_drain.has_begun:
                raise draining()
            admission = await authenticate(scope)
        except Refusal as refusal:
            web.refused(refusal.code)
            await refuse(scope, receive, send, refusal)
            return
        try:
            await cls(scope, receive, send, admission.listener).serve(admission)
        finally:
            await leave(admission)

    async def serve(self, admission: Admission) -> None:
        """Accept, and look after what let them in for as long as they are here."""
        event = await self._receive()
        if event["type"] != "websocket.connect":
            return
        await self._send({"type": "websocket.accept", "subprotocol": admission.subprotocol})
        ensure_caretaker()
        ensure_rerouter()
        ensure_reporter()
        watch = current_warden().watch(admission, self.on_loss, self.received_ms)
        web.connections.inc()
        try:
            await self.run()
        finally:
            web.connections.dec()
            current_warden().unwatch(watch)

    def on_loss(self, loss: Loss) -> None:
        """From the warden: what let the client in is no longer valid."""
        if self.stream is not None and not self._is_superseded(self.stream):
            self.stream.refuse(loss.code, loss.message)
        else:
            self.outbox.put(Close(CloseCode.POLICY, loss.code))

    def received_ms(self) -> int:
        """Audio of a session that is not over: that of the others is counted where they are stored."""
        stream = self.stream
        if stream is None or stream.session.phase is Phase.OVER or self._is_superseded(stream):
            return 0
        return stream.session.received_ms

    def _is_superseded(self, stream: LiveStream) -> bool:
        """Whether the session goes on over another socket: this one may hang for a minute until it is known to be dead."""
        return stream.outbox not in {None, self.outbox}

    async def run(self) -> None:
        """Until the socket is closed, and, where nobody can come back, until the last word is stored."""
        farewell_s = FAREWELL_S
        try:
            await self._serve()
            farewell_s = 0.0  # nobody is left to read a last message
        except Exception:
            session_id = self.stream and self.stream.session_id
            logger.exception("session %s failed", session_id, extra=about(session_id))
            if self.stream is not None:
                self.stream.crash()
            self.outbox.put_all(failure(CRASHED))
        finally:
            await self._leave(farewell_s)

    async def _serve(self) -> None:
        """Hand on what comes, until the client is gone."""
        await routes_known()
        stream = self.stream = await self._first()
        if stream is not None and self._give_to is not None:
            self._give_to(partial(self._take, stream))
        while stream is not None:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            self._hand_on(stream, event)
            if wait_s := self._budget.spend(len(event.get("bytes") or event.get("text") or ())):
                await asyncio.sleep(wait_s)  # unread, so that TCP holds the client back
            self._is_over_budget = False
            del event  # thousands who wait for their next frame need not keep their last
            if not stream.has_room:
                await stream.wait_for_room()

    async def _first(self) -> LiveStream | None:
        """The stream that the first message opens or comes back to; None: the client is gone, or there is no such stream."""
        stream = LiveStream(self.listener, self.client_name)
        stream.attach(self.outbox)
        self.stream = stream
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            return None
        resume = _resume_in(event)
        if resume is None and current_recorder().is_filling:
            stream.detach(self.outbox)
            self.stream = None
            sentence = "The database is away, and as much waits to be stored as may. Try again in a moment."
            await self._say_no("storage_unavailable", sentence, CloseCode.FULL, retry_after_s=STORAGE_RETRY_AFTER_S)
            return None
        if resume is None:
            self._hand_on(stream, event)
            return stream
        stream.detach(self.outbox)
        self.stream = None
        return await self._resumed(resume)

    def _take(self, stream: LiveStream, payload: bytes) -> bool:
        """A frame straight from the socket, without a turn of the event loop for it; False: it is to come through the queue, for
        we may have to wait.
        """
        if self._is_over_budget or not stream.has_room:
            return False
        try:
            stream.on_audio(self.outbox, payload)
        except Exception:
            logger.exception("session %s failed", stream.session_id, extra=about(stream.session_id))
            stream.crash()
        self._is_over_budget = self._budget.spend(len(payload)) > 0
        return True

    def _hand_on(self, stream: LiveStream, event: dict[str, Any]) -> None:
        payload = event.get("bytes")
        if payload is not None:
            stream.on_audio(self.outbox, payload)
        else:
            stream.on_text(self.outbox, event["text"])

    async def _resumed(self, resume: Resume) -> LiveStream | None:
        try:
            stream = await find_session(self.listener, self.client_name, resume)
        except StorageAwayError:
            web.resumptions.labels("storage_unavailable").inc()
            sentence = "The database does not answer, so the session cannot be looked for. Try again in a moment."
            await self._say_no("storage_unavailable", sentence, CloseCode.FULL, retry_after_s=2)
            return None
        if stream is None:
            web.resumptions.labels("unknown").inc()
            sentence = "There is no session to resume with this identifier and token, or it was given up. Start a new one."
            await self._say_no("unknown_session", sentence, CloseCode.UNKNOWN_SESSION)
            return None
        stream.resume(self.outbox, resume)
        return stream

    async def _say_no(self, code: str, message: str, close: CloseCode, *, retry_after_s: int | None = None) -> None:
        web.refused(code)
        error = SessionError(code=code, message=message, retryable=retry_after_s is not None, retry_after_s=retry_after_s)
        self.outbox.put(Send(error))
        self.outbox.put(Close(close, code))
        await self.outbox.close(FAREWELL_S)
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    async def _leave(self, farewell_s: float) -> None:
        """Give a terminal message its way out and the last words their way into the database.

        A server that stops waits for its sockets and for nothing else: what is not stored by then is lost.
        """
        stream = self.stream
        if stream is not None:
            stream.detach(self.outbox)
        await self.outbox.close(farewell_s)
        if stream is None or stream.session.can_resume:
            return
        if stream.session.phase is not Phase.OVER:
            await stream.finished.wait()  # its caretaker sees to it that this comes
        await stream.stored()


def _resume_in(event: dict[str, Any]) -> Resume | None:
    """The `resume` that a first message is; whatever else it is, the session says what is wrong with it."""
    if event.get("text") is None:
        return None
    try:
        message = parse(event["text"]).message
    except ProtocolError:
        return None
    return message if isinstance(message, Resume) else None


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope.get("headers", ()) if key == name), "")
