"""What is new on the charts, read once for all consoles of a web process that look at the same range."""

import asyncio
import time
from typing import Final
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.utils import timezone

from transcription.console.messages import Charts
from transcription.console.series import newest_points

GOOD_FOR_S: Final = 4.0


class Feed:
    """Of one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Charts]] = {}
        self._lock = asyncio.Lock()

    async def newest(self, key: str) -> Charts:
        """The newest points of a range, a few seconds old at most.

        Raises:
            DatabaseError, InterfaceError: they cannot be read.
        """
        async with self._lock:  # one reader at a time: consoles must not take the database's connections away
            known = self._known.get(key)
            if known is None or time.monotonic() - known[0] > GOOD_FOR_S:
                charts: Charts = await database_sync_to_async(newest_points)(key, timezone.now())
                known = self._known[key] = (time.monotonic(), charts)
            return known[1]


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def current_feed() -> Feed:
    """That of the running event loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())
