"""The end of a web process: all are told and stored, then the server's own handler runs; a second signal is in a hurry."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from transcription.metrics import process
from transcription.streaming import draining
from transcription.streaming.draining import Drain, drain, lifespan
from transcription.streaming.live import live_streams


class Stopping:
    """A stream that is over as soon as it may be. `is_stuck`: it never is; `breaks`: draining it raises."""

    def __init__(self, *, is_stuck: bool = False, breaks: bool = False) -> None:
        self.session_id = "s"
        self.is_stuck = is_stuck
        self.breaks = breaks
        self.was_drained = False
        self.has_crashed = False
        self.finished = asyncio.Event()

    def drain(self) -> None:
        self.was_drained = True
        if self.breaks:
            raise RuntimeError("no")
        if not self.is_stuck:
            asyncio.get_running_loop().call_soon(self.finished.set)

    def crash(self) -> None:
        self.has_crashed = True
        self.finished.set()


class Ledger:
    """A recorder that has stored everything."""

    num_waiting = 0
    was_flushed = False

    async def flush(self, _patience_s: float) -> bool:
        self.was_flushed = True
        return True


@pytest.fixture(autouse=True)
async def ledger(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ledger]:
    ledger = Ledger()
    monkeypatch.setattr(draining, "current_recorder", lambda: ledger)
    yield ledger
    live_streams().clear()


def present(*streams: Stopping) -> None:
    live_streams().update(dict(enumerate(streams)))  # type: ignore[arg-type]  # what is drained is all that is asked of them


async def test_every_stream_is_drained_and_what_was_said_is_stored(ledger: Ledger) -> None:
    streams = [Stopping(), Stopping()]
    present(*streams)

    await drain()

    assert [stream.was_drained for stream in streams] == [True, True]
    assert ledger.was_flushed


async def test_a_stream_that_does_not_end_holds_nobody_up_for_ever(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    present(Stopping(is_stuck=True))

    await drain(within_s=0.01)

    assert ledger.was_flushed
    assert "1 sessions did not come to their end" in caplog.text


async def test_a_fault_with_one_stream_does_not_keep_the_others_from_their_end(caplog: pytest.LogCaptureFixture) -> None:
    broken, sound = Stopping(breaks=True), Stopping()
    present(broken, sound)

    await drain()

    assert broken.has_crashed
    assert sound.was_drained
    assert "cannot be drained" in caplog.text


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Signals that came to the handler of the server, which stands there before ours."""
    heard: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, former)


@pytest.fixture(autouse=True)
def interrupt() -> Iterator[None]:
    """The test run's own handler comes back."""
    former = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, former)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # a signal handler sets no event
        await asyncio.sleep(0)


async def test_the_server_is_stopped_after_the_drain(heard: list[int]) -> None:
    stream, stopping = Stopping(is_stuck=True), Drain()
    present(stream)
    stopping.install(asyncio.get_running_loop())

    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: stream.was_drained)
    assert stopping.has_begun
    assert heard == []

    stream.finished.set()
    await until(lambda: bool(heard))
    assert heard == [signal.SIGTERM]


async def test_a_second_signal_stops_the_server_at_once(heard: list[int]) -> None:
    stream, stopping = Stopping(is_stuck=True), Drain()
    present(stream)
    stopping.install(asyncio.get_running_loop())

    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)

    assert heard == [signal.SIGTERM]
    await until(lambda: stream.was_drained)
    stream.finished.set()
    await until(lambda: len(heard) == 2)


async def test_the_lifespan_takes_the_signals_and_gives_everything_back(
    heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring: list[str] = []
    monkeypatch.setattr(process, "begin", lambda kind: measuring.append(f"{kind} begins"))
    monkeypatch.setattr(process, "end", lambda kind: measuring.append(f"{kind} ends"))
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return next(events)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event["type"])

    before = signal.getsignal(signal.SIGTERM)
    await lifespan({}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert signal.getsignal(signal.SIGTERM) is not before
    assert measuring == ["web begins", "web ends"]
    assert heard == []
