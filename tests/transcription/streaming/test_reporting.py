"""What a web process tells consoles: the most urgent sessions first, only while somebody watches, again after Valkey was away."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import to_builtins
from redis.exceptions import ConnectionError as ValkeyAway

from transcription.console.hearing import DEAF_AFTER_S, FRESH_S, Hearing, most_urgent
from transcription.session.stream_session import Phase
from transcription.streaming import reporting
from transcription.streaming.reporting import CONSOLE_GROUP, MAX_REPORTED, WEB_GROUP, Reporter, report_of

WITHIN_S = 10


class PlayedLayer:
    """A channel layer in memory. `sent`: by group. `is_away`: Valkey does not answer."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.joined: list[str] = []
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.is_away = False

    async def new_channel(self) -> str:
        return "specific.played!1"

    async def group_add(self, group: str, channel: str) -> None:
        if self.is_away:
            raise ValkeyAway
        self.joined.append(group)

    async def group_discard(self, group: str, channel: str) -> None:
        pass

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.sent.append((group, message))

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self.inbox.get()


@pytest.fixture
def layer() -> PlayedLayer:
    layer = PlayedLayer()
    layer.is_away = True
    return layer


@pytest.fixture(autouse=True)
async def reporter(layer: PlayedLayer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reporter]:
    """It does everything at once."""
    for name in ("REPORT_EVERY_S", "RETRY_S"):
        monkeypatch.setattr(reporting, name, 0.001)
    reporter = Reporter(layer)
    task = asyncio.create_task(reporter.run())
    yield reporter
    task.cancel()
    _done, pending = await asyncio.wait([task], timeout=WITHIN_S)
    assert not pending, "it cannot be stopped"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 -- what is waited for tells nobody
            await asyncio.sleep(0.001)


def a_stream(behind_ms: int = 0, began_s: float = 0.0, *, is_speaking: bool = False, is_over: bool = False) -> Any:
    """What a report looks at of a live stream."""
    finished = asyncio.Event()
    if is_over:
        finished.set()
    results = SimpleNamespace(behind_ms=behind_ms, is_speaking=is_speaking, num_finals=0)
    session = SimpleNamespace(results=results, model="fake", language="en", phase=Phase.LIVE, received_ms=1000)
    listener = SimpleNamespace(user_id=None, key_id=None)
    return SimpleNamespace(
        session_id=uuid.uuid4(), session=session, listener=listener, client_name="x" * 500, began_s=began_s, finished=finished,
        outbox=None,
    )  # fmt: skip


async def test_those_furthest_behind_come_first_then_who_speaks_then_who_came_last() -> None:
    late, speaker, newcomer, veteran, gone = (
        a_stream(behind_ms=4_000), a_stream(is_speaking=True), a_stream(began_s=9.0), a_stream(), a_stream(is_over=True),
    )  # fmt: skip

    report = report_of([gone, veteran, newcomer, speaker, late], now_s=10.0)

    assert [each.id for each in report.sessions] == [str(each.session_id) for each in (late, speaker, newcomer, veteran)]
    assert report.num_listed == 4


async def test_a_report_is_no_longer_than_can_be_read() -> None:
    report = report_of([a_stream(behind_ms=number) for number in range(MAX_REPORTED + 50)], now_s=0.0)

    assert (len(report.sessions), report.num_listed) == (MAX_REPORTED, MAX_REPORTED + 50)
    assert report.sessions[0].behind_ms == MAX_REPORTED + 49
    assert len(report.sessions[0].client) < 100


async def test_a_process_reports_only_while_somebody_watches(
    layer: PlayedLayer, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer.is_away = False
    await until(lambda: WEB_GROUP in layer.joined)
    assert (layer.sent, reporter.is_watched) == ([], False)

    monkeypatch.setattr(reporting, "WATCHED_FOR_S", 0.05)
    layer.inbox.put_nowait({"type": "watch"})
    await until(lambda: len(layer.sent) > 1)
    assert {group for group, _message in layer.sent} == {CONSOLE_GROUP}

    await until(lambda: not reporter.is_watched)
    layer.sent.clear()
    layer.inbox.put_nowait({"type": "watch"})
    await until(lambda: bool(layer.sent))


async def test_a_process_joins_again_when_valkey_is_back_and_says_once_that_it_was_away(
    layer: PlayedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(0.02)
        layer.is_away = False
        await until(lambda: WEB_GROUP in layer.joined)

    assert caplog.text.count("Valkey does not answer") == 1


async def test_a_console_forgets_a_process_that_reports_no_more() -> None:
    hearing = Hearing(PlayedLayer())
    report = report_of([a_stream(behind_ms=7)], now_s=0.0)
    hearing.take({"report": to_builtins(report) | {"node": "web@one"}}, now_s=0.0)
    hearing.take({"report": to_builtins(report) | {"node": "web@two"}}, now_s=FRESH_S)

    assert [each.node for each in hearing.reports(FRESH_S - 0.1)] == ["web@one", "web@two"]
    assert [each.node for each in hearing.reports(FRESH_S + 0.1)] == ["web@two"]


async def test_a_console_that_hears_nothing_says_so_until_it_hears_again() -> None:
    hearing = Hearing(PlayedLayer())
    now_s = time.monotonic()
    assert [hearing.is_deaf(now_s), hearing.is_deaf(now_s + DEAF_AFTER_S + 1)] == [False, True]

    hearing.take({"report": to_builtins(report_of([], now_s=0.0))}, now_s + DEAF_AFTER_S + 1)

    assert not hearing.is_deaf(now_s + DEAF_AFTER_S + 2)


async def test_sessions_of_all_processes_stand_in_one_order() -> None:
    one = report_of([a_stream(behind_ms=1), a_stream(behind_ms=3)], now_s=0.0)
    two = report_of([a_stream(behind_ms=2)], now_s=0.0)

    assert [each.behind_ms for each in most_urgent([one, two])] == [3, 2, 1]
