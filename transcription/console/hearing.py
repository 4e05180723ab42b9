"""Hears what the web processes report, for one console; and lets them know that somebody listens."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

from msgspec import convert
from redis.exceptions import RedisError

from transcription.streaming.reporting import (
    CONSOLE_GROUP,
    MAX_REPORTED,
    REPORT_EVERY_S,
    WEB_GROUP,
    Layer,
    LiveSession,
    Report,
    together,
)

WATCH_EVERY_S: Final = 2.0
FRESH_S: Final = 4 * REPORT_EVERY_S
"""A process that has said nothing for so long is gone."""
DEAF_AFTER_S: Final = 6.0
RETRY_S: Final = 2.0
FAREWELL_S: Final = 1.0


class Hearing:
    """Of one console."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._heard_s = time.monotonic()
        self._reports: dict[str, tuple[float, Report]] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            with suppress(RedisError, OSError):
                await self._serve()
            await asyncio.sleep(RETRY_S)

    async def _serve(self) -> None:
        channel = await self._layer.new_channel()
        try:
            await together(self._say_that_we_watch(channel), self._listen(channel))
        finally:
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._layer.group_discard(CONSOLE_GROUP, channel)

    async def _say_that_we_watch(self, channel: str) -> None:
        while True:
            await self._layer.group_add(CONSOLE_GROUP, channel)
            await self._layer.group_send(WEB_GROUP, {"type": "watch"})
            await asyncio.sleep(WATCH_EVERY_S)

    async def _listen(self, channel: str) -> None:
        while True:
            self.take(await self._layer.receive(channel), time.monotonic())

    def take(self, message: dict[str, Any], now_s: float) -> None:
        report = convert(message["report"], Report)
        self._reports[report.node] = (now_s, report)
        self._heard_s = now_s

    def is_deaf(self, now_s: float) -> bool:
        """Whether not even the process of this console is heard: Valkey does not answer."""
        return now_s - self._heard_s > DEAF_AFTER_S

    def reports(self, now_s: float) -> list[Report]:
        """The last one of each process that still reports, by its name."""
        self._reports = {node: each for node, each in self._reports.items() if now_s - each[0] < FRESH_S}
        return [report for _node, (_at_s, report) in sorted(self._reports.items())]


def most_urgent(reports: list[Report]) -> list[LiveSession]:
    """Of all processes together, in the order of a report."""
    sessions = [session for report in reports for session in report.sessions]
    sessions.sort(key=lambda session: (-session.behind_ms, not session.is_speaking, -session.began_at_s))
    return sessions[:MAX_REPORTED]
