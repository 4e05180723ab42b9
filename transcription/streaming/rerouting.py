"""Keeps a web process true to the routes: reads them once a second, leads its streams to the model that serves them now, and
takes a route's lighter model while there is too much to do.
"""

import asyncio
import logging
import time
from typing import Final
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError

from inference.logs import about
from inference.messages import ModelInfo
from transcription.recognizer import current_client
from transcription.serving import choices
from transcription.serving.fallback import FallbackWatch, lateness_ms
from transcription.serving.routebook import FIRST_READ_S, RouteBook, current_routebook
from transcription.serving.routes import Route
from transcription.streaming.live import live_streams

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
"""A swap counts on two seconds; a small query a second is nothing to the database."""

Loaded = tuple[tuple[ModelInfo, ...], ...]


class Rerouter:
    """Of one event loop."""

    def __init__(self, book: RouteBook) -> None:
        self._book = book
        self._loaded: Loaded = ()
        self._watches: dict[int, FallbackWatch] = {}
        self._was_away = False

    async def run(self) -> None:
        while True:
            try:
                await self.look(time.monotonic())
                self._was_away = False
            except (DatabaseError, InterfaceError) as err:
                if not self._was_away:
                    logger.warning("the routes could not be read (%s); what was known of them stays", type(err).__name__)
                self._was_away = True
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, now_s: float) -> None:
        """One round.

        Raises:
            DatabaseError, InterfaceError: PostgreSQL does not answer.
        """
        has_changed = await self._book.read()
        workers = current_client().workers
        loaded = tuple(link.status.models for link in workers if link.status.is_ready)
        if has_changed or loaded != self._loaded:
            self._loaded = loaded
            reroute_all()
        late_ms = lateness_ms([link.load for link in workers if link.status.is_ready])
        for route in self._book.table.routes:
            if route.fallback and self._wants_change(route, late_ms, now_s):
                await self._change(route, late_ms)

    def _wants_change(self, route: Route, late_ms: float, now_s: float) -> bool:
        return self._watches.setdefault(route.key, FallbackWatch()).wants_change(
            late_ms,
            now_s,
            is_on=route.is_on_fallback,
            above_ms=route.fallback_above_ms,
            below_ms=route.fallback_below_ms,
        )

    async def _change(self, route: Route, late_ms: float) -> None:
        """The database decides between web processes that see the same; all of them follow at their next look."""
        step = choices.come_back if route.is_on_fallback else choices.fall_back
        if await database_sync_to_async(step)(route.key, f"Texts were {late_ms:.0f} ms late."):
            logger.warning("%s/%s %s: texts are %.0f ms late", route.scenario, route.language or "*", step.__name__, late_ms)
            await self._book.read()
            reroute_all()


def reroute_all() -> None:
    """Lead every stream of this process to the model that serves it now. A fault with one does not keep the others waiting."""
    for stream in list(live_streams().values()):
        try:
            stream.reroute()
        except Exception:
            session_id = stream.session_id
            logger.exception("session %s cannot be led to another model", session_id, extra=about(session_id))
            stream.crash()


_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


def ensure_rerouter() -> None:
    """Start it on the running event loop, if it does not run there yet."""
    loop = asyncio.get_running_loop()
    if loop not in _tasks or _tasks[loop].done():
        _tasks[loop] = loop.create_task(Rerouter(current_routebook()).run(), name="rerouter")
        _tasks[loop].add_done_callback(_log_death)


async def routes_known() -> None:
    """Until this process knows the routes and, where there are any, which models are loaded. Only its first streams wait, and not
    for long: whoever comes too early begins with what there is, and is led on.
    """
    book = current_routebook()
    await book.wait_read()
    if book.table.routes:
        await current_client().heard_status(FIRST_READ_S)


async def stop_rerouter() -> None:
    task = _tasks.pop(asyncio.get_running_loop(), None)
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


def _log_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (err := task.exception()) is not None:
        logger.error("the rerouter ended", exc_info=err)
