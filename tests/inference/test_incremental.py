"""Models that remember what they heard of a segment: what the loop gives them, and when. No thread, no socket."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from inference.audio import to_samples
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine
from inference.messages import TranscriptUpdated
from tests.inference.test_loop import Bench
from tests.inference.worker import say

FIRST, EVERY = to_samples(150), to_samples(200)
SENTENCE_END_S = 1.0


@dataclass(slots=True)
class Memory:
    """Of one stream: what was heard of the segment."""

    num_heard: int = 0
    audio: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


@dataclass
class Remembering(FakeEngine):
    """Hears every sample once. batches: of each step, the new samples of its windows and whether they were final."""

    batches: list[list[tuple[int, bool]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.info = structs.replace(self.info, first_step_samples=FIRST, step_samples=EVERY)

    def open_stream(self) -> Any:
        return Memory()

    def finish(self, state: Any) -> None:
        state.__init__()

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        self.batches.append([(len(window.audio), window.is_final) for window in batch])
        heard = super().step([self._whole(window) for window in batch])
        for window in batch:
            if window.is_final:
                self.finish(window.state)
        return heard

    def _whole(self, window: Window[Any]) -> Window[Any]:
        memory = window.state
        assert window.start == min(memory.num_heard, window.num_samples)
        memory.audio = np.concatenate([memory.audio, window.audio])
        memory.num_heard = len(memory.audio)
        return replace(window, audio=memory.audio[: window.num_samples], state=FakeEngine.open_stream(self))


@pytest.fixture
def engine() -> Remembering:
    return Remembering()


@pytest.fixture
def bench(engine: Remembering) -> Bench:
    return Bench(engine)


def test_every_sample_of_a_segment_is_given_once(bench: Bench, engine: Remembering) -> None:
    bench.open(5)
    for word in ["alpha", "bravo", "charlie", "delta"]:
        bench.hear(5, say(word))
        bench.run_dry()
    bench.end(5)
    bench.run_dry()

    num_given = sum(num_new for batch in engine.batches for num_new, _ in batch)
    assert bench.text(5) == "alpha bravo charlie delta"
    assert num_given == len(say("alpha bravo charlie delta")) // 2
    assert len(engine.batches) > 4


def test_a_partial_is_asked_for_as_soon_as_the_model_can_go_on(bench: Bench, engine: Remembering) -> None:
    bench.open(5)
    pcm = say("alpha bravo charlie")
    num_bytes = 2 * to_samples(32)
    for start in range(0, len(pcm), num_bytes):
        bench.hear(5, pcm[start : start + num_bytes])
        bench.run_dry()

    ends = np.cumsum([num_new for batch in engine.batches for num_new, _ in batch])
    strides = [FIRST + number * EVERY for number in range(len(ends))]
    late = [end - next(stride for stride in reversed(strides) if stride <= end) for end in ends.tolist()]
    assert max(late) < to_samples(32)
    assert len(engine.batches) >= 5


@pytest.mark.parametrize("offset_ms", range(640, 1440, 32))
def test_a_chunk_does_not_wait_for_the_audio_behind_it(bench: Bench, offset_ms: int) -> None:
    bench.open(5)
    pcm = bytes(2 * to_samples(offset_ms)) + say(" ".join(["alpha bravo charlie delta"] * 3))
    frame_bytes = 2 * to_samples(200)
    late_ms = []
    for end in range(frame_bytes, len(pcm), frame_bytes):
        bench.hear(5, pcm[end - frame_bytes : end])
        bench.run_dry()
        updates = [event for event in bench.events(5) if isinstance(event, TranscriptUpdated)]
        late_ms += [end // 32 - updates[-1].end_ms] if updates else []

    assert len(late_ms) > 10
    assert max(late_ms) < 200


def test_finals_and_partials_share_a_step_however_many_there_are() -> None:
    engine = Remembering()
    bench = Bench(engine, max_batch=2)
    for stream in range(6):
        bench.open(stream)
        bench.hear(stream, say("alpha", SENTENCE_END_S if stream < 3 else 0.0))
    bench.loop.take(wait=False)
    while any(client.stream.has_frame() for client in bench.loop.clients.values()):
        bench.loop.judge()

    bench.loop.step()

    assert sorted(is_final for _, is_final in engine.batches[0]) == [False, False, False, True, True, True]


def test_a_final_without_new_audio_is_recognised_all_the_same(bench: Bench, engine: Remembering) -> None:
    bench.open(5)
    bench.hear(5, say("alpha bravo", 0.6))
    bench.run_dry()
    engine.batches.clear()

    bench.hear(5, say("", SENTENCE_END_S))
    bench.run_dry()

    assert bench.text(5) == "alpha bravo"


def test_what_a_segment_left_behind_is_not_in_the_next(bench: Bench) -> None:
    bench.open(5)
    for sentence in ["alpha bravo", "charlie", "delta echo foxtrot"]:
        bench.hear(5, say(sentence, SENTENCE_END_S))
        bench.run_dry()

    assert bench.text(5) == "alpha bravo charlie delta echo foxtrot"


def test_a_segment_that_is_cut_where_it_is_quiet_goes_on_in_the_next(bench: Bench) -> None:
    """The cut lies before what partials have heard; the rest is heard again."""
    words = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo"
    bench.open(5, max_segment_ms=5_000)
    for word in words.split():
        bench.hear(5, say(word))
        bench.run_dry()
    bench.end(5)
    bench.run_dry()

    assert bench.text(5) == words


def test_a_stream_that_is_behind_hears_one_stride_a_step_so_that_others_share_it(bench: Bench, engine: Remembering) -> None:
    bench.open(5)
    bench.hear(5, say("alpha bravo"))
    bench.run_dry()

    assert engine.batches == [[(FIRST, False)], *[[(EVERY, False)]] * 3]


def test_the_end_of_a_segment_is_caught_up_with_a_second_at_a_time(bench: Bench, engine: Remembering) -> None:
    """Nothing of it was heard before, since it ends in the pass in which it came."""
    bench.open(5)
    bench.hear(5, say("alpha bravo charlie delta echo foxtrot golf"))
    bench.end(5)
    bench.loop.take(wait=False)
    while any(client.stream.has_frame() for client in bench.loop.clients.values()):
        bench.loop.judge()
    bench.run_dry()

    (first,), (second,), (last,) = engine.batches
    assert first == (FIRST + 5 * EVERY, False)
    assert second == (6 * EVERY, False)
    assert last == (len(say("alpha bravo charlie delta echo foxtrot golf")) // 2 - first[0] - second[0], True)
    assert bench.text(5) == "alpha bravo charlie delta echo foxtrot golf"


def test_a_segment_is_heard_as_it_is_spoken_though_nobody_wants_partials(bench: Bench, engine: Remembering) -> None:
    bench.open(5, interim=False)
    for word in ["alpha", "bravo", "charlie", "delta"]:
        bench.hear(5, say(word))
        bench.run_dry()
    num_before = len(engine.batches)
    bench.end(5)
    bench.run_dry()

    assert num_before > 4
    assert [type(event) for event in bench.events(5)].count(TranscriptUpdated) == 0
    assert bench.text(5) == "alpha bravo charlie delta"
