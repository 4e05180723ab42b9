"""What this web process knows of the routes: read again and again, so that no stream ever waits for the database."""

import asyncio
import contextlib
from typing import Final
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from transcription.models import ModelRoute
from transcription.serving.language_models import installed_language_models
from transcription.serving.routes import Route, RouteTable

FIRST_READ_S: Final = 1.0
"""How long the first streams of a process wait for it; a database that is away keeps nobody longer."""


class RouteBook:
    """Of one event loop. `table`: the routes as they were when they were last read; none before the first time."""

    def __init__(self) -> None:
        self.table = RouteTable()
        self._was_read = asyncio.Event()

    async def read(self) -> bool:
        """Look whether anything has changed.

        Raises:
            DatabaseError, InterfaceError: PostgreSQL does not answer; what was known stays.
        """
        table: RouteTable = await database_sync_to_async(read_table)()
        has_changed, self.table = table != self.table, table
        self._was_read.set()
        return has_changed

    async def wait_read(self, patience_s: float = FIRST_READ_S) -> None:
        """Until it was read once."""
        if not self._was_read.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._was_read.wait(), patience_s)


def read_table() -> RouteTable:
    """The routes in service, and the language models that lie on this machine. Blocks."""
    rows = ModelRoute.objects.filter(is_enabled=True).select_related("model", "partial_model", "fallback").order_by("pk")
    return RouteTable(tuple(route_of(row) for row in rows), installed_language_models())


def route_of(row: ModelRoute) -> Route:
    return Route(
        key=row.pk,
        scenario=row.scenario,
        language=row.language,
        model=row.model.name,
        partial_model="" if row.partial_model is None else row.partial_model.name,
        language_model=row.language_model,
        fallback=row.fallback.name if row.fallback is not None else "",
        is_on_fallback=row.fallback is not None and row.fallback_since is not None,
        fallback_above_ms=row.fallback_above_ms,
        fallback_below_ms=row.fallback_below_ms,
    )


_books: WeakKeyDictionary[asyncio.AbstractEventLoop, RouteBook] = WeakKeyDictionary()


def current_routebook() -> RouteBook:
    """That of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _books:
        _books[loop] = RouteBook()
    return _books[loop]
