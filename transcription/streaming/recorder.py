"""Stores what sessions say, in order, without making a speaker wait for the database.

Entries are queued and written in batches by one thread, so a web process holds one database connection for all its
sessions. While PostgreSQL is away entries wait in memory, up to `HARK_MAX_UNSTORED` of them, and are written when it
is back; every write may be repeated without harm, so nothing is stored twice. Who comes when half of that waits is refused
(`consumers`), and sessions are ended when all of it does (`caretaking`): nobody speaks for nothing without knowing.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, ParamSpec, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connections

from inference.logs import about
from transcription import services
from transcription.metrics.meters import web

logger = logging.getLogger(__name__)
T = TypeVar("T")
P = ParamSpec("P")

MAX_BATCH: Final = 200
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 5.0
TOUCH_EVERY_S: Final = 60.0
ANNOUNCE_PATIENCE_S: Final = 1.0
"""How long the announcement of a final waits for its storing; after that it is stored as soon as it can be."""


class Recorder:
    """One for each event loop. `live` are the sessions that are being spoken; they are touched once a minute."""

    def __init__(self) -> None:
        self.live: set[UUID] = set()
        self._waiting: deque[tuple[services.Entry, asyncio.Future[None]]] = deque()
        self._has_work = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(self._write()), self._loop.create_task(self._touch())]
        for task in self._tasks:
            task.add_done_callback(_log_death)

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_filling(self) -> bool:
        """So much waits that nobody new should come: what runs needs the rest."""
        return 2 * len(self._waiting) >= settings.HARK_MAX_UNSTORED

    @property
    def is_full(self) -> bool:
        """More must not be taken. Entries of sessions that end for it are taken all the same: one for each."""
        return len(self._waiting) >= settings.HARK_MAX_UNSTORED

    def put(self, entry: services.Entry) -> "asyncio.Future[None]":
        """Queue `entry`; the future is done when it is stored."""
        if isinstance(entry, services.SessionStarted):
            self.live.add(entry.session_id)
        elif isinstance(entry, services.SessionFinished):
            self.live.discard(entry.session_id)
        stored = self._loop.create_future()
        self._waiting.append((entry, stored))
        self._has_work.set()
        return stored

    def keep_alive(self, session_id: UUID) -> None:
        """The session, begun elsewhere, is spoken here now."""
        self.live.add(session_id)

    def let_go(self, session_id: UUID) -> None:
        """The session is not spoken here any more, and is not over."""
        self.live.discard(session_id)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database something on the recorder's thread, over its one connection.

        Raises:
            DatabaseError, InterfaceError: it does not answer.
        """
        return await self._loop.run_in_executor(self._thread, partial(_on_fresh_connection, partial(work, *args, **kwargs)))

    async def flush(self, patience_s: float) -> bool:
        """Wait until everything queued so far is stored; False if it took longer than `patience_s`."""
        if not self._waiting:
            return True
        return await wait_stored(self._waiting[-1][1], patience_s)

    async def close(self) -> None:
        """Stop writing; what is still waiting is lost, so `flush` first."""
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        await self._loop.run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=False)

    async def _write(self) -> None:
        while True:
            await self._has_work.wait()
            batch = [self._waiting[index] for index in range(min(MAX_BATCH, len(self._waiting)))]
            await self._store([entry for entry, _stored in batch])
            for _ in batch:
                _entry, stored = self._waiting.popleft()
                if not stored.done():
                    stored.set_result(None)
            if not self._waiting:
                self._has_work.clear()

    async def _store(self, entries: list[services.Entry]) -> None:
        """Until it is stored. An entry that the database refuses for itself is logged and left out."""
        retry_s = FIRST_RETRY_S
        while True:
            began_s = time.monotonic()
            try:
                await self._loop.run_in_executor(self._thread, _store_all, entries)
            except (OperationalError, InterfaceError):
                web.database_up.set(state=False)
                logger.warning("PostgreSQL does not answer; %d entries wait, next try in %.1f s", self.num_waiting, retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
            except (DatabaseError, ValueError, TypeError):  # the last two: a value that has no form in the database
                if len(entries) == 1:
                    session_id = entries[0].session_id
                    logger.exception("an entry of session %s cannot be stored", session_id, extra=about(session_id))
                    return
                for entry in entries:
                    await self._store([entry])
                return
            else:
                web.database_up.set(state=True)
                web.store_s.observe(time.monotonic() - began_s)
                return

    async def _touch(self) -> None:
        while True:
            await asyncio.sleep(TOUCH_EVERY_S)
            if self.live:
                with suppress(DatabaseError, InterfaceError):
                    await self._loop.run_in_executor(self._thread, services.touch_sessions, list(self.live))


def _on_fresh_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    return work()


def _store_all(entries: list[services.Entry]) -> None:
    close_old_connections()
    services.store(entries)


async def wait_stored(stored: "asyncio.Future[None]", patience_s: float) -> bool:
    """Wait for an entry; False if it is not stored within `patience_s`. It stays queued either way."""
    done, _pending = await asyncio.wait([stored], timeout=patience_s)
    return bool(done)


def _log_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (err := task.exception()) is not None:
        logger.error("the recorder ended", exc_info=err)


_recorders: WeakKeyDictionary[asyncio.AbstractEventLoop, Recorder] = WeakKeyDictionary()


def current_recorder() -> Recorder:
    """The recorder of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _recorders:
        _recorders[loop] = Recorder()
    return _recorders[loop]


def every_recorder() -> list[Recorder]:
    """Those of all event loops of the process. From any thread."""
    return list(_recorders.values())


async def close_recorder() -> None:
    """Close the running loop's recorder, if it has one."""
    recorder = _recorders.pop(asyncio.get_running_loop(), None)
    if recorder is not None:
        await recorder.flush(ANNOUNCE_PATIENCE_S)
        await recorder.close()
