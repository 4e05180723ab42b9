"""A stream whose audio ends every process that hears it: it is given up, and nobody else loses a word."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from inference.client import InferenceClient, pool
from inference.client.quarantine import MAX_LOSSES, Quarantine
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState
from inference.messages import StreamDone, StreamFailed
from tests.inference.client.test_moves import Process, Speaker

MAX_TURNS = 60


class Crash(BaseException):
    """Stands for what no `except` catches: the end of a process."""


class CrashingEngine(FakeEngine):
    """Ends its process at the word "zulu"."""

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        heard = super().step(batch)
        if any("zulu" in hypothesis.text for hypothesis in heard):
            raise Crash
        return heard


class FragileProcess(Process):
    """Is started again at once when it has ended."""

    num_deaths = 0

    def start(self) -> None:
        super().start()
        self.loop.engines["fake"] = CrashingEngine()

    def work(self) -> None:
        try:
            super().work()
        except Crash:
            self.num_deaths += 1
            self.die("silent")
            self.start()


@pytest.fixture(autouse=True)
def without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WorkerLink", FragileProcess)


async def talk(*texts: str) -> tuple[list[Speaker], int]:
    """Speakers who are heard at the same time, and how often a process ended."""
    client = InferenceClient("first", "second")
    processes = cast(list[Any], client.workers)
    speakers = [Speaker(client) for _ in texts]
    for process in processes:
        process.turn()
    for words in zip(*(text.split() for text in texts), strict=True):
        for speaker, word in zip(speakers, words, strict=True):
            if not speaker.handle.is_over:
                speaker.say(word, 0.0)
        for process in processes:
            process.turn()
    for speaker in speakers:
        speaker.handle.end()
    for _ in range(MAX_TURNS):
        for process in processes:
            process.turn()
    return speakers, sum(process.num_deaths for process in processes)


async def test_a_stream_that_ends_one_process_after_the_other_is_given_up() -> None:
    (speaker,), num_deaths = await talk("alpha bravo zulu charlie")

    failed = speaker.events[-1]
    assert isinstance(failed, StreamFailed)
    assert (failed.code, failed.retryable) == ("recognition_failed", False)
    assert num_deaths == MAX_LOSSES


async def test_those_who_spoke_beside_it_lose_no_word() -> None:
    speakers, num_deaths = await talk("alpha bravo zulu charlie", "delta echo foxtrot golf", "hotel india juliett kilo")

    crashing, *others = speakers
    assert isinstance(crashing.events[-1], StreamFailed)
    for speaker in others:
        speaker.assert_all_was_heard_once()
    assert num_deaths <= MAX_LOSSES + 1


async def test_without_a_quarantine_it_would_end_processes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail."""
    monkeypatch.setattr(Quarantine, "judge", lambda _quarantine, _lost: None)

    speakers, num_deaths = await talk("alpha bravo zulu charlie", "delta echo foxtrot golf")

    assert not isinstance(speakers[0].events[-1], StreamFailed | StreamDone)
    assert num_deaths > 20


async def test_whoever_is_quiet_is_no_suspect() -> None:
    client = InferenceClient("first", "second")
    first, second = cast(list[Any], client.workers)
    quiet = Speaker(client)
    for _ in range(3):
        quiet.say("", 1.0)
        first.turn()
        second.turn()
        for process in (first, second):
            process.die("silent")
            process.start()
            process.turn()

    quiet.handle.end()
    first.turn()
    second.turn()
    await asyncio.sleep(0)

    quiet.assert_all_was_heard_once()


async def test_a_process_that_is_lost_long_after_the_first_one_puts_nobody_under_suspicion() -> None:
    client = InferenceClient("first", "second")
    first, second = cast(list[Any], client.workers)
    now_s = 0.0
    client._quarantine.clock = lambda: now_s
    speaker = Speaker(client)
    for word in ("alpha", "bravo", "charlie"):
        speaker.say(word, 0.0)
        for process in (first, second):
            process.turn()
        now_s += 60.0
        for process in (first, second):
            process.die("silent")
            process.start()
            process.turn()

    speaker.handle.end()
    for _ in range(MAX_TURNS):
        first.turn()
        second.turn()

    speaker.assert_all_was_heard_once()
