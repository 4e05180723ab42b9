"""Looks after the streams of a web process once a second: idle ones, those that last too long, those whose client is away."""

import asyncio
import logging
import time
from typing import Final
from weakref import WeakKeyDictionary

from transcription.live import live_streams

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0

_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


def ensure_caretaker() -> None:
    """Start it on the running event loop, if it does not run there yet."""
    loop = asyncio.get_running_loop()
    if loop not in _tasks or _tasks[loop].done():
        _tasks[loop] = loop.create_task(_look_after_all(), name="caretaker")


def look_after(now_s: float) -> None:
    """One round. A fault with one stream does not keep the others waiting."""
    for stream in list(live_streams().values()):
        try:
            stream.look_after(now_s)
        except Exception:
            logger.exception("session %s cannot be looked after", stream.session_id)
            stream.crash()


async def stop_caretaker() -> None:
    task = _tasks.pop(asyncio.get_running_loop(), None)
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


async def _look_after_all() -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        look_after(time.monotonic())
