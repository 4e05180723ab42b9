"""Streams whose processes die, are given up and come back in every order: pool and loops joined without sockets."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.client import NO_WORKER, InferenceClient, StreamHandle, WorkerLink, pool, quarantine
from inference.client.placement import Candidate
from inference.client.worker_link import LinkOwner
from inference.engines.fake import VOCABULARY, FakeEngine
from inference.errors import LinkLostError
from inference.loop import RecognitionLoop
from inference.messages import (
    LAG_MS,
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    Checkpoint,
    OpenStream,
    StreamDone,
    StreamFailed,
    StreamOpened,
    StreamOptions,
    StreamProgress,
    TranscriptFinal,
    WorkerLoad,
    WorkerStatus,
)
from inference.moving import Mover
from inference.vad import LevelVad
from tests.inference.worker import say

NUM_STREAMS = 3
MAX_STREAMS = {"inference-0": 3, "inference-1": 2}
"""All streams have room in one process and not in the other."""
MAX_TURNS = 2_000


class Process:
    """Stands for a link and the process at its other end."""

    def __init__(self, name: str, _address: str, owner: LinkOwner) -> None:
        self.name = name
        self.owner = owner
        self.was_tried = True
        self.is_up = False
        self.is_stalled = False
        self.start()

    def start(self) -> None:
        if not self.is_up:
            self.is_up = True
            self.loop = RecognitionLoop(
                {"fake": FakeEngine()}, LevelVad(), self.deliver, max_streams=MAX_STREAMS[self.name], max_batch=9
            )
            self.outbox: list[AnyStreamRequest] = []
            self.load = WorkerLoad()
            self.is_heard = True

    @property
    def can_take(self) -> bool:
        return self.is_up and not self.is_stalled

    @property
    def status(self) -> WorkerStatus:
        return WorkerStatus(node="", is_ready=True, models=self.loop.lineup.infos()) if self.is_up else NO_WORKER

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.status.models, self.load)

    def has_room_for(self, handle: StreamHandle) -> bool:
        return WorkerLink.has_room_for(cast(WorkerLink, self), handle)

    def open(self, _stream: int, requests: list[AnyStreamRequest]) -> None:
        self.outbox += requests

    def put(self, request: AnyStreamRequest, *, can_wait: bool = False) -> None:
        self.outbox.append(request)

    def forget(self, stream: int) -> None:
        pass

    def mark_full(self) -> None:
        self.load = WorkerLoad(is_full=True)

    def deliver(self, _link: int, events: list[AnyStreamEvent]) -> None:
        if self.is_heard:
            for stream in dict.fromkeys(event.stream for event in events):
                self.owner.on_events(self, stream, [event for event in events if event.stream == stream])  # type: ignore[arg-type]

    def make_room(self) -> None:
        """Its model goes, and streams go elsewhere."""
        if self.is_up and not self.loop.lineup.is_retiring("fake"):
            Mover(self.loop.roster).retire_elsewhere("fake", "")
            self.owner.on_news(self)  # type: ignore[arg-type]
            Mover(self.loop.roster).send_away("fake")

    def take_again(self) -> None:
        """It keeps its model after all."""
        if self.is_up:
            Mover(self.loop.roster).restore("fake")
            self.owner.on_news(self)  # type: ignore[arg-type]

    def turn(self) -> None:
        self.work()
        num_streams = len(self.loop.clients)
        self.load = WorkerLoad(num_streams=num_streams, is_full=num_streams >= MAX_STREAMS[self.name])
        if self.is_up:
            self.owner.on_news(self)  # type: ignore[arg-type]

    def work(self) -> None:
        requests, self.outbox = self.outbox, []
        self.loop.submit(0, requests)
        self.loop.take(wait=False)
        self.loop.judge()
        self.loop.step()
        self.loop.send()

    def die(self, manner: str) -> None:
        """`mute`: it worked on what had come, but its answers were lost. `late`: it was given up, and answers all the same."""
        if not self.is_up:
            return
        self.is_up = False
        if manner == "mute":
            self.is_heard = False
            self.work()
        self.owner.on_lost(self)  # type: ignore[arg-type]
        if manner == "late":
            self.work()


@dataclass
class Speaker:
    """One stream, what was said on it and what was heard."""

    client: InferenceClient
    words: list[str] = field(default_factory=list)
    num_samples: int = 0
    num_finalizes: int = 0
    events: list[AnyStreamEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.handle: StreamHandle = self.client.open_stream(
            StreamOptions(max_segment_ms=3_000), self.events.extend, session="7d1f"
        )

    def say(self, word: str, silence_s: float) -> None:
        pcm = say(word, silence_s)
        self.words += word.split()
        self.num_samples += len(pcm) // 2
        self.handle.send_audio(pcm)

    def finalize(self) -> None:
        self.num_finalizes += 1
        self.handle.finalize()

    @property
    def finals(self) -> list[TranscriptFinal]:
        return [event for event in self.events if isinstance(event, TranscriptFinal)]

    def assert_all_was_heard_once(self) -> None:
        done = self.events[-1]
        assert isinstance(done, StreamDone)
        assert done.checkpoint.settled_samples == self.num_samples
        assert [word for final in self.finals for word in final.text.split()] == self.words
        assert [final.segment for final in self.finals] == list(range(len(self.finals)))
        assert all(before.end_ms <= after.start_ms for before, after in pairwise(self.finals))
        assert sum(final.from_finalize for final in self.finals) == self.num_finalizes


Step = tuple[str, int, Any]
some_stream = st.integers(0, NUM_STREAMS - 1)
some_process = st.integers(0, 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), some_stream, st.sampled_from(VOCABULARY)),
        st.tuples(st.just("pause"), some_stream, st.sampled_from([0.1, 0.7, 2.0])),
        st.tuples(st.just("finalize"), some_stream, st.none()),
        st.tuples(st.just("turn"), some_process, st.none()),
        st.tuples(st.just("die"), some_process, st.sampled_from(["mute", "late", "silent"])),
        st.tuples(st.just("start"), some_process, st.none()),
        st.tuples(st.just("make_room"), some_process, st.none()),
        st.tuples(st.just("take_again"), some_process, st.none()),
    ),
    max_size=40,
)


@pytest.fixture(autouse=True)
def without_sockets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "WorkerLink", Process)
        patched.setattr(quarantine, "MAX_LOSSES", sys.maxsize)  # here processes die by chance, not of what they hear
        yield


async def play(script: list[Step]) -> list[Speaker]:
    client = InferenceClient("first", "second")
    processes: list[Any] = client.workers
    speakers = [Speaker(client) for _ in range(NUM_STREAMS)]
    for process in processes:
        process.turn()  # they are open: a new stream is refused when there is no room, one that was open waits for it
    for kind, number, value in script:
        match kind:
            case "say":
                speakers[number].say(value, 0.0)
            case "pause":
                speakers[number].say("", value)
            case "finalize":
                speakers[number].finalize()
            case "turn" if processes[number].is_up:
                processes[number].turn()
            case "die":
                processes[number].die(value)
            case "start" | "make_room" | "take_again":
                getattr(processes[number], kind)()
    finish(processes, speakers)
    return speakers


def finish(processes: list[Any], speakers: list[Speaker]) -> None:
    for process in processes:
        process.start()
        process.take_again()
    for speaker in speakers:
        speaker.handle.end()
    for _ in range(MAX_TURNS):
        for process in processes:
            process.turn()
        if all(speaker.handle.is_over for speaker in speakers):
            return
    pytest.fail("a stream never ended")


MOVED: list[Step] = [("say", 0, "alpha"), ("turn", 0, None), ("die", 0, "late"), ("say", 0, "bravo"), ("turn", 1, None)]
LATE: list[Step] = [("say", 0, "alpha"), ("pause", 0, 2.0), ("turn", 0, None), ("turn", 0, None), ("die", 0, "late")]
ROOM_MADE: list[Step] = [
    ("say", 0, "alpha"),
    ("turn", 0, None),
    ("make_room", 0, None),
    ("pause", 0, 2.0),
    *[("turn", 0, None)] * 4,
]
CROWDED: list[Step] = [("die", 0, "silent"), ("turn", 1, None), ("say", 2, "alpha")]


@settings(deadline=None, max_examples=150)
@given(steps)
@example(MOVED)
@example(LATE)
@example(CROWDED)
@example(ROOM_MADE)
@example([*ROOM_MADE, ("say", 0, "bravo"), ("turn", 1, None), ("take_again", 0, None), ("make_room", 1, None)])
@example([*MOVED, ("start", 0, None), ("die", 1, "mute"), ("say", 0, "charlie")])
def test_no_word_is_lost_and_none_comes_twice_wherever_streams_go(script: list[Step]) -> None:
    assert_all_is_heard_once(script)


def assert_all_is_heard_once(script: list[Step]) -> None:
    for speaker in asyncio.run(play(script)):
        speaker.assert_all_was_heard_once()


def test_the_check_would_show_answers_of_a_process_that_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can fail: here whoever knows a stream's number is believed."""

    def believe(client: InferenceClient, _link: object, stream: int, events: list[AnyStreamEvent]) -> None:
        if stream in client._handles:
            client._handles[stream].take(events)

    monkeypatch.setattr(InferenceClient, "on_events", believe)

    with pytest.raises(AssertionError):
        assert_all_is_heard_once(LATE)


def test_the_check_would_show_a_stream_that_is_moved_without_its_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = StreamHandle.replay
    monkeypatch.setattr(StreamHandle, "replay", lambda handle: replay(handle)[:1])

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        assert_all_is_heard_once(MOVED)


def test_the_check_would_show_a_final_of_a_process_that_makes_room_that_comes_after_the_stream_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hear = InferenceClient.on_events

    def go_first(client: InferenceClient, link: WorkerLink, stream: int, events: list[AnyStreamEvent]) -> None:
        if not isinstance(events[-1], StreamFailed):
            hear(client, link, stream, events)
            return
        hear(client, link, stream, events[-1:])
        client._handles[stream].take(events[:-1])

    monkeypatch.setattr(InferenceClient, "on_events", go_first)
    monkeypatch.setitem(MAX_STREAMS, "inference-1", NUM_STREAMS)

    with pytest.raises(AssertionError):
        assert_all_is_heard_once(ROOM_MADE)


async def test_a_stream_that_finds_no_other_place_waits_until_its_process_has_a_model_again() -> None:
    client = InferenceClient("first")
    (process,) = cast(list[Process], client.workers)
    speaker = Speaker(client)
    speaker.say("alpha", 2.0)
    process.turn()

    process.make_room()
    process.turn()
    speaker.say("bravo", 2.0)
    process.turn()
    has_waited = (process.loop.clients, [final.text for final in speaker.finals], speaker.handle.is_awaited)
    process.take_again()
    finish([process], [speaker])

    assert has_waited == ({}, ["alpha"], True)
    speaker.assert_all_was_heard_once()


async def test_a_stream_that_is_given_up_is_not_kept_by_a_process_that_was_too_slow() -> None:
    client = InferenceClient("first")
    (process,) = cast(list[Process], client.workers)
    speaker = Speaker(client)

    speaker.handle.fail(LinkLostError("It does not answer."))
    process.turn()

    assert process.loop.clients == {}
    assert [type(event) for event in speaker.events] == [StreamFailed]


async def pair_of_which_one_has_too_much_to_do() -> tuple[InferenceClient, list[Process]]:
    """The first one has told so; the second has not yet."""
    client = InferenceClient("first", "second")
    processes = cast(list[Process], client.workers)
    for process in processes:
        process.loop.is_overloaded = True
    processes[0].load = WorkerLoad(is_overloaded=True)
    return client, processes


async def test_a_new_stream_goes_where_not_too_much_is_to_be_done() -> None:
    client, (first, second) = await pair_of_which_one_has_too_much_to_do()
    second.loop.is_overloaded = False

    speaker = Speaker(client)
    second.turn()

    assert first.outbox == []
    assert [type(event) for event in speaker.events] == [StreamOpened]


async def test_a_new_stream_is_refused_by_the_process_and_from_then_on_without_asking() -> None:
    client, (_first, second) = await pair_of_which_one_has_too_much_to_do()
    asked = Speaker(client)
    second.turn()

    second.load = WorkerLoad(is_overloaded=True)
    unasked = Speaker(client)
    await asyncio.sleep(0)

    for speaker in (asked, unasked):
        (refused,) = speaker.events
        assert isinstance(refused, StreamFailed)
        assert (refused.code, refused.retryable, refused.retry_after_s) == ("server_full", True, 10)
    assert second.outbox == []


async def test_a_refusal_because_of_what_is_to_be_done_waits_for_no_process_that_is_held_up() -> None:
    client = InferenceClient("first")
    (process,) = cast(list[Process], client.workers)
    process.load = WorkerLoad(is_overloaded=True)
    process.is_stalled = True

    speaker = Speaker(client)
    await asyncio.sleep(0)

    assert [type(event) for event in speaker.events] == [StreamFailed]


async def test_streams_that_go_on_are_let_in_however_much_is_to_be_done() -> None:
    """One whose process is gone, and one that began at another web process."""
    client = InferenceClient("first", "second")
    first, second = cast(list[Process], client.workers)
    moved = Speaker(client)
    first.turn()
    for process in (first, second):
        process.loop.is_overloaded = True
        process.load = WorkerLoad(is_overloaded=True)
    first.die("silent")

    resumed: list[AnyStreamEvent] = []
    checkpoint = Checkpoint(silence_samples=16_000, next_segment=2)
    handle = client.open_stream(StreamOptions(), resumed.extend, checkpoint)
    second.turn()
    moved.say("alpha", 1.0)
    handle.send_audio(say("bravo", 1.0))
    for _ in range(9):
        second.work()

    assert [final.text for final in moved.finals] == ["alpha"]
    assert [(event.segment, event.text) for event in resumed if isinstance(event, TranscriptFinal)] == [(2, "bravo")]
    assert (handle.num_frames, handle.unsettled_ms) == (16_000 + len(say("bravo", 1.0)) // 2, moved.handle.unsettled_ms)


def lags_told(speaker: Speaker) -> list[int]:
    return [event.behind_ms for event in speaker.events if isinstance(event, StreamProgress) and event.behind_ms >= LAG_MS]


async def test_whoever_waits_for_a_process_that_is_gone_is_told_how_far_recognition_is_behind() -> None:
    client = InferenceClient("first")
    (process,) = cast(list[Process], client.workers)
    talking, silent = Speaker(client), Speaker(client)
    process.turn()
    process.die("silent")

    talking.say("alpha bravo charlie", 4.0)
    client.on_news(client.workers[0])

    assert (lags_told(talking), lags_told(silent)) == ([5_200], [])
    talking.handle.cancel()
    silent.handle.cancel()


async def test_whoever_speaks_to_a_process_that_does_not_turn_is_told_too() -> None:
    client = InferenceClient("first")
    (process,) = cast(list[Process], client.workers)
    talking, silent = Speaker(client), Speaker(client)
    process.turn()
    talking.say("alpha bravo charlie", 4.0)

    process.load = WorkerLoad(stalled_ms=3_500)
    client.on_news(client.workers[0])

    assert (lags_told(talking), lags_told(silent)) == ([3_500], [])


async def test_a_stream_goes_on_elsewhere_before_anything_else_happens() -> None:
    """It does not wait for the next report of the other process."""
    client = InferenceClient("first", "second")
    first, second = cast(list[Process], client.workers)
    speaker = Speaker(client)
    first.turn()
    speaker.say("alpha", 0.0)

    first.die("silent")

    opened, audio = second.outbox
    assert isinstance(opened, OpenStream)
    assert isinstance(audio, AudioChunk)
    assert opened.session == "7d1f", "it is called the same in every log"
    speaker.handle.cancel()
