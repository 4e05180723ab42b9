"""The socket at /console: brings an open page of the console what is new. It changes nothing; orders are POSTs of the admin site.

Only for those who are signed in to the admin site and may watch. What let them in is looked after as for any socket: whoever
signs out, or loses the right, is shown out within seconds.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import msgspec
from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError

from transcription.access.door import Admission, authenticate, draining, leave
from transcription.access.refusals import Refusal, refuse
from transcription.console.alerts import unresolved_alerts
from transcription.console.charts import RANGES
from transcription.console.feed import current_feed
from transcription.console.hearing import Hearing, most_urgent
from transcription.console.messages import Live, Problem, Process, ServerMessage, SessionRow, Show
from transcription.console.people import last_texts, names_of
from transcription.console.rights import Rights, current_rights
from transcription.console.workers import current_workers
from transcription.protocol import CloseCode
from transcription.streaming.draining import current_drain
from transcription.streaming.reporting import LiveSession, Report, current_layer, ensure_reporter
from transcription.streaming.warden import Loss, current_warden

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

TELL_EVERY_S: Final = 1.0
MEASURED_EVERY_S: Final = 5.0
"""Samples come every ten seconds."""
RIGHTS_EVERY_S: Final = 5.0
MAX_QUESTION_CHARS: Final = 1_000

encoder: Final = msgspec.json.Encoder()
show_decoder: Final = msgspec.json.Decoder(Show)


class ConsoleSocket:
    """One open page."""

    def __init__(self, user_id: int, rights: Rights, receive: Receive, send: Send) -> None:
        self.rights = rights
        self.shown = Show(topics=[])
        self._user_id = user_id
        self._receive = receive
        self._send = send
        self._hearing = Hearing(current_layer())
        self._names: dict[tuple[int | None, int | None], str] = {}
        self._problems: set[str] = set()
        self._has_changed = asyncio.Event()
        self._farewell: tuple[CloseCode, str] | None = None
        self._is_closing = asyncio.Event()

    @classmethod
    async def asgi(cls, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application for a WebSocket scope that has passed the origin check."""
        try:
            if current_drain.has_begun:
                raise draining()
            admission = await authenticate(scope)
        except Refusal as refusal:
            await refuse(scope, receive, send, refusal)
            return
        try:
            await cls._let_in(scope, receive, send, admission)
        finally:
            await leave(admission)

    @classmethod
    async def _let_in(cls, scope: Scope, receive: Receive, send: Send, admission: Admission) -> None:
        user_id = admission.listener.user_id
        rights = await database_sync_to_async(current_rights)(user_id) if admission.session_key else None
        if rights is None or user_id is None:
            sentence = "The console is for those who are signed in to the admin site and may watch live sessions."
            await refuse(scope, receive, send, Refusal(HTTPStatus.FORBIDDEN, "not_for_you", sentence))
            return
        if (await receive())["type"] == "websocket.connect":
            await send({"type": "websocket.accept", "subprotocol": admission.subprotocol})
            ensure_reporter()
            socket = cls(user_id, rights, receive, send)
            watch = current_warden().watch(admission, socket.on_loss)
            try:
                await socket.serve()
            finally:
                current_warden().unwatch(watch)

    def on_loss(self, loss: Loss) -> None:
        """From the warden: what let them in is no longer valid."""
        self._close(CloseCode.POLICY, loss.code)

    def _close(self, code: CloseCode, reason: str) -> None:
        self._farewell = self._farewell or (code, reason)
        self._is_closing.set()

    async def serve(self) -> None:
        """Until the page is gone, or may not be here any more."""
        steps = (self._read, self._hearing.run, self._tell, self._tell_measured, self._look_at_rights, self._is_closing.wait)
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(step()) for step in steps]
        try:
            done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for err in filter(None, (task.exception() for task in done)):
            if not isinstance(err, OSError):  # the page was gone when it was to be told something
                logger.error("a console failed", exc_info=err)
                self._close(CloseCode.INTERNAL, "internal")
        if self._farewell is not None:
            code, reason = self._farewell
            await self._send({"type": "websocket.close", "code": int(code), "reason": reason})

    # From the page

    async def _read(self) -> None:
        while (event := await self._receive())["type"] != "websocket.disconnect":
            if not self.take(event.get("text") or ""):
                return self._close(CloseCode.BAD_REQUEST, "bad_message")
        return None

    def take(self, text: str) -> bool:
        """What the page shows from now on; False for what is no such message."""
        try:
            shown = show_decoder.decode(text[:MAX_QUESTION_CHARS])
        except msgspec.DecodeError:
            return False
        if shown.range not in RANGES:
            return False
        self.shown = shown
        self._has_changed.set()
        self._has_changed = asyncio.Event()
        return True

    # To the page

    async def tell(self, message: ServerMessage) -> None:
        await self._send({"type": "websocket.send", "text": encoder.encode(message).decode()})

    async def _tell(self) -> None:
        while True:
            shown = self.shown
            await self.tell_problem("valkey_away", is_there=self._hearing.is_deaf(time.monotonic()))
            try:
                await self.tell(await self.live())
                await self.tell_problem("database_away", is_there=False)
            except (DatabaseError, InterfaceError):
                await self.tell_problem("database_away", is_there=True)
            if "workers" in shown.topics:
                await self.tell(current_workers())
            await self._pause(TELL_EVERY_S, shown)

    async def _pause(self, pause_s: float, told: Show) -> None:
        """Cut short when the page shows something else than what was told."""
        if self.shown is told:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_changed.wait(), pause_s)

    async def tell_problem(self, code: Any, *, is_there: bool) -> None:
        """Once when it begins, once when it is over."""
        if is_there != (code in self._problems):
            (self._problems.add if is_there else self._problems.discard)(code)
            await self.tell(Problem(code=code, is_over=not is_there))

    async def live(self) -> Live:
        """Raises DatabaseError, InterfaceError: names and texts cannot be had."""
        reports = self._hearing.reports(time.monotonic())
        return Live(
            num_connections=sum(report.num_connections for report in reports),
            num_sessions=sum(report.num_sessions for report in reports),
            num_speaking=sum(report.num_speaking for report in reports),
            num_listed=sum(report.num_listed for report in reports),
            processes=[process_of(report) for report in reports],
            sessions=await self.rows(most_urgent(reports)) if "sessions" in self.shown.topics else None,
        )

    async def rows(self, sessions: list[LiveSession]) -> list[SessionRow]:
        unknown = [each for each in sessions if each.user_id is not None and (each.user_id, each.key_id) not in self._names]
        if unknown:
            self._names |= await database_sync_to_async(names_of)(unknown)
        texts = await database_sync_to_async(last_texts)([each.id for each in sessions]) if self.rights.may_read else {}
        now_s = time.time()
        return [self.row(session, now_s, texts) for session in sessions]

    def row(self, session: LiveSession, now_s: float, texts: dict[str, str]) -> SessionRow:
        return SessionRow(
            id=session.id,
            who=self._names.get((session.user_id, session.key_id), ""),
            client=session.client,
            model=session.model,
            language=session.language,
            phase=session.phase,
            is_speaking=session.is_speaking,
            is_away=session.is_away,
            lasted_s=max(0, round(now_s - session.began_at_s)),
            received_ms=session.received_ms,
            behind_ms=session.behind_ms,
            num_finals=session.num_finals,
            text=texts.get(session.id, "") if self.rights.may_read else None,
        )

    async def _tell_measured(self) -> None:
        """What is new on the charts, whose whole is fetched by the page, and which alerts are open."""
        while True:
            shown = self.shown
            try:
                if "charts" in shown.topics:
                    await self.tell(await current_feed().newest(shown.range))
                if "alerts" in shown.topics and self.rights.may_see_alerts:
                    await self.tell(await database_sync_to_async(unresolved_alerts)(shown.language))
            except (DatabaseError, InterfaceError):
                await self.tell_problem("database_away", is_there=True)
            await self._pause(MEASURED_EVERY_S, shown)

    async def _look_at_rights(self) -> None:
        """Rights can be taken from somebody who stays signed in."""
        while True:
            await asyncio.sleep(RIGHTS_EVERY_S)
            try:
                rights = await database_sync_to_async(current_rights)(self._user_id)
            except (DatabaseError, InterfaceError):
                continue  # nobody is shown out because the database is away
            if rights is None:
                return self._close(CloseCode.FORBIDDEN, "access_revoked")
            self.rights = rights


def process_of(report: Report) -> Process:
    return Process(
        node=report.node,
        num_connections=report.num_connections,
        num_sessions=report.num_sessions,
        num_speaking=report.num_speaking,
    )
