"""Looks after the streams of a web process once a second: idle ones, those that last too long, those whose client is away."""

import asyncio
import logging
import time
from typing import Final
from weakref import WeakKeyDictionary

from inference.logs import about
from transcription.metrics.meters import web
from transcription.streaming.live import live_streams
from transcription.streaming.recorder import current_recorder

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
STORAGE_FULL: Final = (
    "The database has been away for so long that no more text can be kept. What was final before is kept. Try again later."
)

_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


def ensure_caretaker() -> None:
    """Start it on the running event loop, if it does not run there yet."""
    loop = asyncio.get_running_loop()
    if loop not in _tasks or _tasks[loop].done():
        _tasks[loop] = loop.create_task(_look_after_all(), name="caretaker")


def look_after(now_s: float) -> None:
    """One round. A fault with one stream does not keep the others waiting."""
    if current_recorder().is_full:
        give_up()
    for stream in list(live_streams().values()):
        try:
            stream.look_after(now_s)
        except Exception:
            logger.exception("session %s cannot be looked after", stream.session_id, extra=about(stream.session_id))
            stream.crash()


def give_up() -> None:
    """End every session rather than let anybody go on whose words will not be kept."""
    running = [stream for stream in live_streams().values() if not stream.finished.is_set()]
    if running:
        num_waiting = current_recorder().num_waiting
        logger.error("PostgreSQL is away for too long: %d entries wait, %d sessions end", num_waiting, len(running))
    for stream in running:
        stream.refuse("storage_unavailable", STORAGE_FULL, is_retryable=True)


async def stop_caretaker() -> None:
    task = _tasks.pop(asyncio.get_running_loop(), None)
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


async def _look_after_all() -> None:
    while True:
        due_s = time.monotonic() + LOOK_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
        web.loop_lag_s.observe(max(0.0, time.monotonic() - due_s))
        look_after(time.monotonic())
