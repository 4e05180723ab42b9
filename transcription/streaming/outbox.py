"""What one socket still has to be told: a bounded queue and the task that empties it. Order is kept.

A final waits here until it is stored, for a second at most from when it is queued.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from transcription.metrics.meters import web
from transcription.protocol import CloseCode, PartialResult, serialise
from transcription.session.actions import Close, Send
from transcription.streaming.recorder import ANNOUNCE_PATIENCE_S, wait_stored

SendEvent = Callable[[dict[str, Any]], Awaitable[None]]
Stored = asyncio.Future[None] | None
OnSent = Callable[[], None] | None

MAX_UNSENT: Final = 1000
"""Messages that a client may leave unread; a fast talker makes 6 a second, so this is minutes."""


class Outbox:
    """One for each socket. `is_closed`: the close is queued or the socket is gone, and nothing follows. clock: monotonic s."""

    def __init__(self, send: SendEvent, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_closed = False
        self._send = send
        self._clock = clock
        self._items: deque[tuple[Send | Close, Stored, OnSent, float]] = deque()
        self._has_items = asyncio.Event()
        self._writer = asyncio.create_task(self._write())

    @property
    def is_full(self) -> bool:
        return len(self._items) >= MAX_UNSENT

    def put(self, item: Send | Close, stored: Stored = None, on_sent: OnSent = None) -> bool:
        """Queue `item`, which goes out once `stored` is done; False if the client does not read and it cannot be queued.

        on_sent: called when the socket has taken it; must not fail.

        Partials of a client that does not read are dropped: the next one, or the final, says more.
        """
        if self.is_closed:
            return True
        if isinstance(item, Close):
            self.is_closed = True
        elif self.is_full:
            return self._dropped(item)
        self._items.append((item, stored, on_sent, self._clock()))
        self._has_items.set()
        return True

    def put_all(self, farewell: Sequence[Send | Close]) -> None:
        """Nothing of it where a farewell is queued already."""
        for item in farewell:
            self.put(item)

    def _dropped(self, item: Send) -> bool:
        """Whether it may be."""
        if not isinstance(item.message, PartialResult):
            return False
        web.partials_dropped.inc()
        return True

    def cut(self, farewell: Send, code: CloseCode, reason: str) -> None:
        """Drop what waits: nobody reads it. The farewell is tried all the same."""
        self._items.clear()
        self.is_closed = False
        self.put(farewell)
        self.put(Close(code, reason))

    async def close(self, patience_s: float) -> None:
        """Give what is queued its time to go out, then stop."""
        self.is_closed = True
        if patience_s and not self._writer.done():
            await asyncio.wait([self._writer], timeout=patience_s)
        self._writer.cancel()

    async def _write(self) -> None:
        while True:
            while self._items:
                item, stored, on_sent, queued_at_s = self._items.popleft()
                if stored is not None and not stored.done():
                    await wait_stored(stored, max(0.0, ANNOUNCE_PATIENCE_S - (self._clock() - queued_at_s)))
                if not await self._sent(item):
                    return
                if on_sent is not None:
                    on_sent()
            self._has_items.clear()
            await self._has_items.wait()

    async def _sent(self, item: Send | Close) -> bool:
        """Whether the socket is still open after `item`."""
        try:
            if isinstance(item, Close):
                await self._send({"type": "websocket.close", "code": int(item.code), "reason": item.reason})
                return False
            await self._send({"type": "websocket.send", "text": serialise(item.message)})
        except (OSError, RuntimeError):
            self.is_closed = True
            return False  # the client is gone; what it said is stored all the same
        return True
