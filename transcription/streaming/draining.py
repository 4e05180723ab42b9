"""The end of a web process without losing anybody: no new sockets, `going_away` to all, last words stored, then the server's end.

An ASGI server tells an application of its end only after it has closed the sockets; so the signals are taken first, and handed
on when all is said.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from inference.logs import about
from transcription.metrics import process
from transcription.recognizer import close_client
from transcription.streaming.caretaking import stop_caretaker
from transcription.streaming.garbage import look_for_garbage_seldom
from transcription.streaming.keeping import close_keeper
from transcription.streaming.live import live_streams
from transcription.streaming.recorder import close_recorder, current_recorder
from transcription.streaming.reporting import stop_reporter
from transcription.streaming.rerouting import stop_rerouter

logger = logging.getLogger(__name__)

DRAIN_WITHIN_S: Final = 20.0
LAST_WORDS_STORED_WITHIN_S: Final = 5.0
LOOK_EVERY_S: Final = 0.05
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

Handler = Callable[[int, FrameType | None], Any] | int | None


class Drain:
    """Of one process. `has_begun`: no new socket is taken."""

    def __init__(self) -> None:
        self.has_begun = False
        self._task: asyncio.Task[None] | None = None

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signals that stop the server; its own handlers come after the drain, or at once at a second signal."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            signal.signal(number, partial(self._on_signal, loop, signal.getsignal(number)))

    def _on_signal(self, loop: asyncio.AbstractEventLoop, former: Handler, signum: int, frame: FrameType | None) -> None:
        def hand_on() -> None:
            if callable(former):
                former(signum, frame)

        if self.has_begun:
            hand_on()
            return
        self.has_begun = True
        loop.call_soon_threadsafe(self._begin, hand_on)

    def _begin(self, hand_on: Callable[[], None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(hand_on), name="drain")

    async def _run(self, hand_on: Callable[[], None]) -> None:
        try:
            await drain()
        except Exception:
            logger.exception("the drain failed; stopping all the same")
        finally:
            hand_on()


async def drain(within_s: float = DRAIN_WITHIN_S) -> None:
    """Tell every client, bring every session to its end or put it down for its resume, and store it all."""
    streams = [stream for stream in live_streams().values() if not stream.finished.is_set()]
    if streams:
        logger.info("draining %d sessions", len(streams))
    for stream in streams:
        try:
            stream.drain()
        except Exception:
            logger.exception("session %s cannot be drained", stream.session_id, extra=about(stream.session_id))
            stream.crash()
    await _until_over(streams, within_s)
    if not await current_recorder().flush(LAST_WORDS_STORED_WITHIN_S):
        logger.error("PostgreSQL does not answer: %d entries are not stored", current_recorder().num_waiting)


async def _until_over(streams: list[Any], within_s: float) -> None:
    waits = [asyncio.ensure_future(stream.finished.wait()) for stream in streams]
    if not waits:
        return
    _done, late = await asyncio.wait(waits, timeout=within_s)
    for wait in late:
        wait.cancel()
    if late:
        logger.warning("%d sessions did not come to their end within %d s", len(late), within_s)


current_drain: Final = Drain()


async def lifespan(_scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[..., Any]) -> None:
    """The ASGI lifespan protocol."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            current_drain.install(asyncio.get_running_loop())
            process.begin("web")
            look_for_garbage_seldom()
            await send({"type": "lifespan.startup.complete"})
        else:
            await stop_caretaker()
            await stop_rerouter()
            await stop_reporter()
            await close_client()
            await close_keeper()
            await close_recorder()
            await asyncio.to_thread(process.end, "web")
            await send({"type": "lifespan.shutdown.complete"})
            return
