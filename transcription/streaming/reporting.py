"""What a web process tells the operators' console of its live streams, and what operators let it do with them.

It speaks only while somebody watches: a console says so every few seconds over the channel layer. Reports hold no word of what
is said; texts are read from the database by those who may. While Valkey is away nobody watches, and no stream notices.
"""

import asyncio
import heapq
import logging
import os
import time
import uuid
from collections.abc import Coroutine
from typing import Any, Final, Literal, Protocol
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings
from msgspec import Struct, to_builtins
from redis.exceptions import RedisError

from transcription.metrics.meters import web
from transcription.metrics.process import name_of
from transcription.session.stream_session import Phase
from transcription.streaming.gauges import sessions_live, streams_speaking
from transcription.streaming.live import LiveStream, live_streams

logger = logging.getLogger(__name__)

WEB_GROUP: Final = "hark.web"
"""Where each web process listens for consoles."""
CONSOLE_GROUP: Final = "hark.console"
"""Where each open console listens for reports."""
REPORT_EVERY_S: Final = 1.0
WATCHED_FOR_S: Final = 5.0
"""How long one word of a console holds; it says it every two seconds."""
JOIN_EVERY_S: Final = 30.0
"""Valkey forgets groups when it is started anew."""
RETRY_S: Final = 2.0
MAX_REPORTED: Final = 100
"""Sessions in one report: more would be read by nobody, and a report is 20 kB then."""
MAX_CLIENT_CHARS: Final = 80

Order = Literal["end", "drain"]
ENDED: Final = "An operator has ended this session. What was said until now is stored."


class LiveSession(Struct, frozen=True, kw_only=True):
    """A session that is being spoken, without its text. `behind_ms`: how far recognition is behind what was said."""

    id: str
    user_id: int | None
    key_id: int | None
    client: str
    model: str
    language: str
    phase: str
    began_at_s: float
    received_ms: int
    behind_ms: int
    num_finals: int
    is_speaking: bool
    is_away: bool


class Report(Struct, frozen=True, kw_only=True):
    """One web process, with the numbers that it shows at /metrics.

    `sessions`: at most MAX_REPORTED of the `num_listed` that are not over, those furthest behind first, then who speaks.
    """

    node: str
    num_connections: int
    num_sessions: int
    num_speaking: int
    num_listed: int
    sessions: list[LiveSession]


class Layer(Protocol):
    """Of Channels' layer what is needed here; it publishes no types."""

    async def new_channel(self) -> str: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...


def current_layer() -> Layer:
    layer: Layer = get_channel_layer()
    return layer


async def send_order(session_id: uuid.UUID, order: Order) -> None:
    """To whichever web process has the session; nothing happens when none has.

    Raises:
        RedisError, OSError: Valkey does not answer.
    """
    await current_layer().group_send(WEB_GROUP, {"type": "order", "session": str(session_id), "order": order})


async def together(*steps: Coroutine[Any, Any, None]) -> None:
    """All of `steps`, until one of them fails or ends; the others are cancelled, and its error is raised.

    Unlike a TaskGroup of Python 3.11 it never loses its own cancellation when a step fails in the same moment.
    """
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


class Reporter:
    """Of one event loop."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._watched_until_s = float("-inf")
        self._is_watched = asyncio.Event()

    @property
    def is_watched(self) -> bool:
        """Whether it reports now."""
        return self._is_watched.is_set()

    async def run(self) -> None:
        """For ever, with a pause whenever Valkey is away."""
        was_away = False
        while True:
            try:
                await self._serve()
            except (RedisError, OSError) as err:
                if not was_away:
                    logger.warning("Valkey does not answer (%s): consoles do not see this process", type(err).__name__)
                was_away = True
            await asyncio.sleep(RETRY_S)

    async def _serve(self) -> None:
        channel = await self._layer.new_channel()
        await together(self._stay_joined(channel), self._listen(channel), self._report())

    async def _stay_joined(self, channel: str) -> None:
        while True:
            await self._layer.group_add(WEB_GROUP, channel)
            await asyncio.sleep(JOIN_EVERY_S)

    async def _listen(self, channel: str) -> None:
        while True:
            await self.on_message(await self._layer.receive(channel), time.monotonic())

    async def _report(self) -> None:
        while True:
            await self._is_watched.wait()
            while time.monotonic() < self._watched_until_s:
                await self.tell()
                await asyncio.sleep(REPORT_EVERY_S)
            self._is_watched.clear()

    async def on_message(self, message: dict[str, Any], now_s: float) -> None:
        """A console watches, or an operator wants something."""
        if message["type"] == "watch":
            self._watched_until_s = now_s + WATCHED_FOR_S
            self._is_watched.set()
        elif message["type"] == "order" and carry_out(uuid.UUID(message["session"]), message["order"]):
            await self.tell()

    async def tell(self) -> None:
        report = report_of(list(live_streams().values()), time.monotonic())
        await self._layer.group_send(CONSOLE_GROUP, {"type": "report", "report": to_builtins(report)})


def report_of(streams: list[LiveStream], now_s: float) -> Report:
    """now_s: monotonic."""
    living = [stream for stream in streams if not stream.finished.is_set()]
    shown = heapq.nlargest(MAX_REPORTED, living, key=lambda stream: urgency(stream))
    return Report(
        node=name_of("web") or FIRST_NODE,
        num_connections=round(next(iter(web.connections.collect())).samples[0].value),
        num_sessions=round(sum(sessions_live().values())),
        num_speaking=round(sum(streams_speaking().values())),
        num_listed=len(living),
        sessions=[live_session(stream, now_s) for stream in shown],
    )


def urgency(stream: LiveStream) -> tuple[int, bool, float]:
    """Whom an operator wants to see first: those furthest behind, those who speak, those who came last."""
    results = stream.session.results
    return results.behind_ms, results.is_speaking, stream.began_s


def live_session(stream: LiveStream, now_s: float) -> LiveSession:
    session = stream.session
    return LiveSession(
        id=str(stream.session_id),
        user_id=stream.listener.user_id,
        key_id=stream.listener.key_id,
        client=stream.client_name[:MAX_CLIENT_CHARS],
        model=session.model,
        language=session.language,
        phase=session.phase.name.lower(),
        began_at_s=time.time() - (now_s - stream.began_s),
        received_ms=session.received_ms,
        behind_ms=session.results.behind_ms,
        num_finals=session.results.num_finals,
        is_speaking=session.results.is_speaking,
        is_away=stream.outbox is None,
    )


def carry_out(session_id: uuid.UUID, order: Order) -> bool:
    """Whether the session is here and was not over. A fault in it does not end the listening."""
    stream = live_streams().get(session_id)
    if stream is None or stream.session.phase is Phase.OVER:
        return False
    logger.info("session %s: an operator says %s", session_id, order)
    try:
        if order == "end":
            stream.refuse("ended_by_operator", ENDED)
        else:
            stream.drain()
    except Exception:
        logger.exception("session %s failed", session_id)
        stream.crash()
    return True


FIRST_NODE: Final = f"web@{settings.HARK_NODE}:{os.getpid()}"
"""As long as the process has no name under which it stores what it measures."""

_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


def ensure_reporter() -> None:
    """Start it on the running event loop, if it does not run there yet."""
    loop = asyncio.get_running_loop()
    if loop not in _tasks or _tasks[loop].done():
        _tasks[loop] = loop.create_task(Reporter(current_layer()).run(), name="reporter")


async def stop_reporter() -> None:
    task = _tasks.pop(asyncio.get_running_loop(), None)
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
