"""A stream whose inference process dies again and again: client and loop joined without sockets, every order of events."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.client import InferenceClient, StreamHandle
from inference.engines.fake import VOCABULARY, FakeEngine
from inference.loop import RecognitionLoop
from inference.messages import AnyStreamEvent, AnyStreamRequest, AudioChunk, StreamDone, StreamOptions, TranscriptFinal
from inference.vad import LevelVad
from tests.inference.worker import say

LINK = 0
MAX_TURNS = 2_000


@dataclass
class Wire:
    """Stands for the client's outbox and the socket; `die` is what SIGKILL does."""

    outbox: list[AnyStreamRequest] = field(default_factory=list)
    events: list[AnyStreamEvent] = field(default_factory=list)
    is_cut: bool = False

    def __post_init__(self) -> None:
        self.handle = StreamHandle(cast(InferenceClient, self), 0, StreamOptions(max_segment_ms=3_000), self.events.extend)
        self.begin()

    def begin(self) -> None:
        """A fresh inference process."""
        self.loop = RecognitionLoop({"fake": FakeEngine()}, LevelVad(), self.deliver, max_streams=9, max_batch=9)
        self.outbox = list(self.handle.replay())

    def deliver(self, _link: int, events: list[AnyStreamEvent]) -> None:
        if not self.is_cut:
            self.handle.take(events)

    def put(self, request: AnyStreamRequest, *, can_wait: bool = False) -> None:
        self.outbox.append(request)

    def forget(self, _handle: StreamHandle) -> None:
        pass

    def turn(self) -> None:
        requests, self.outbox = self.outbox, []
        self.loop.submit(LINK, requests)
        self.loop.take(wait=False)
        self.loop.judge()
        self.loop.step()
        self.loop.send()

    def die(self, *, in_mid_turn: bool) -> None:
        """`in_mid_turn`: the process still worked on what came, but its answers were lost."""
        if in_mid_turn:
            self.is_cut = True
            self.turn()
            self.is_cut = False
        self.begin()

    def run_to_end(self) -> None:
        self.handle.end()
        for _ in range(MAX_TURNS):
            if self.handle.is_over:
                return
            self.turn()
        pytest.fail("the stream never ended")

    @property
    def finals(self) -> list[TranscriptFinal]:
        return [event for event in self.events if isinstance(event, TranscriptFinal)]


Step = tuple[str, Any]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(VOCABULARY)),
        st.tuples(st.just("pause"), st.sampled_from([0.1, 0.7, 2.0, 7.0])),
        st.tuples(st.just("gap"), st.integers(1, 40_000)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
        st.tuples(st.just("finalize"), st.none()),
        st.tuples(st.just("die"), st.booleans()),
    ),
    max_size=30,
)


def play(wire: Wire, script: list[Step]) -> tuple[list[str], int, int, int]:
    """Words said, samples in all, those of them that were missing, and finalizes asked for."""
    words: list[str] = []
    num_bytes = num_missing = num_finalizes = 0
    for kind, value in script:
        if kind in {"say", "pause"}:
            pcm = say(value) if kind == "say" else say("", value)
            words += [value] if kind == "say" else []
            num_bytes += len(pcm)
            wire.handle.send_audio(pcm)
        elif kind == "gap":
            num_missing += value
            wire.handle.send_gap(value)
        elif kind == "turn":
            for _ in range(value):
                wire.turn()
        elif kind == "finalize":
            num_finalizes += 1
            wire.handle.finalize()
        else:
            wire.die(in_mid_turn=value)
    return words, num_bytes // 2 + num_missing, num_missing, num_finalizes


@settings(deadline=None, max_examples=150)
@given(steps)
@example([("say", "alpha"), ("finalize", None), ("turn", 1), ("die", True), ("say", "bravo"), ("finalize", None), ("die", False)])
@example([("say", "alpha"), ("pause", 2.0), ("turn", 2), ("say", "bravo"), ("turn", 1), ("die", True), ("say", "charlie")])
@example([("say", "alpha"), ("gap", 40_000), ("turn", 1), ("die", True), ("turn", 1), ("die", False), ("say", "bravo")])
def test_no_word_is_lost_and_none_comes_twice_however_often_the_process_dies(script: list[Step]) -> None:
    wire = Wire()

    words, num_samples, num_missing, num_finalizes = play(wire, script)
    wire.run_to_end()

    done = wire.events[-1]
    assert isinstance(done, StreamDone)
    assert done.checkpoint.settled_samples == num_samples
    assert done.checkpoint.gap_samples == num_missing
    assert [word for final in wire.finals for word in final.text.split()] == words
    assert [final.segment for final in wire.finals] == list(range(len(wire.finals)))
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(wire.finals))
    assert sum(final.from_finalize for final in wire.finals) == num_finalizes


def test_the_check_would_show_audio_that_is_not_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can fail: here the client forgets the audio."""
    replay = StreamHandle.replay
    monkeypatch.setattr(
        StreamHandle, "replay", lambda handle: [each for each in replay(handle) if not isinstance(each, AudioChunk)]
    )
    wire = Wire()

    words, *_ = play(wire, [("say", "alpha"), ("turn", 1), ("die", False)])
    wire.run_to_end()

    assert [word for final in wire.finals for word in final.text.split()] != words
