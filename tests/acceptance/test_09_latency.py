"""Check 9: text comes in time. Counted on the audio's clock and in steps of the engine, never on the wall's.

What a server on a certain machine needs in milliseconds is measured by benchmarks, not tested.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from inference.audio import SAMPLE_RATE_HZ
from inference.batching import Wish
from inference.engines.base import Engine, Hypothesis, Window
from inference.engines.fake import VOCABULARY, FakeEngine, Faults, speak
from inference.loop import RecognitionLoop
from inference.messages import StreamOptions, TranscriptFinal, TranscriptUpdated
from tests.acceptance.faults import Faulty
from tests.acceptance.rig import Rig, Transcript, silence

FRAME_MS = 20
DETECTOR_MS = 32
SLACK_MS = FRAME_MS + DETECTOR_MS
FIRST_PARTIAL_MS = 1_000
PARTIAL_EVERY_MS = 250
ENDPOINT_MS = 500
ONE_SEGMENT_MS = 15_000
"""`talk` is longer than a segment may be unless asked otherwise."""
LONGEST_WAIT_MS = 10_000
WORD_MS = 400
MAX_GROWTH = 1.1
QUIET_S = 2
SENTENCE = " ".join(VOCABULARY[:20])
NUM_ROUNDS = 3
NEVER_PAUSING = np.concatenate([speak(" ".join(VOCABULARY))] * NUM_ROUNDS)


@dataclass(frozen=True)
class Step:
    """One run of the engine. num_waiting: finals that waited when it began."""

    num_windows: int
    num_samples: int
    is_final: bool
    num_waiting: int


class Counts(Faulty):
    """Remembers what the engine was made to do. `loop`: who makes it."""

    def __init__(self, engine: Engine[Any]) -> None:
        super().__init__(engine)
        self.steps: list[Step] = []
        self.loop: RecognitionLoop | None = None

    def warm_up(self) -> None:
        self.steps.append(Step(1, 0, is_final=True, num_waiting=0))
        super().warm_up()

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        clients = self.loop.clients.values() if self.loop else ()
        num_waiting = sum(client.stream.wants_final for client in clients)
        num_samples = sum(len(window.audio) for window in batch)
        self.steps.append(Step(len(batch), num_samples, batch[0].is_final, num_waiting))
        return super().step(batch)


def counting_rig(**options: Any) -> tuple[Rig, Counts]:
    engine = Counts(FakeEngine())
    rig = Rig(engine, **options)
    engine.loop = rig.loop
    return rig, engine


def talk() -> np.ndarray:
    """Quiet, twenty words, quiet. float32, 16 kHz."""
    return np.concatenate([silence(QUIET_S), speak(SENTENCE), silence(QUIET_S)])


def assert_in_time(transcript: Transcript) -> None:
    """For `talk`: the first text, every next one, how old each is when it comes, and the final."""
    partials, finals = transcript.timed(TranscriptUpdated), transcript.timed(TranscriptFinal)
    first_ms, last_ms = QUIET_S * 1_000, QUIET_S * 1_000 + WORD_MS * len(SENTENCE.split())
    assert partials[0][0] - first_ms <= FIRST_PARTIAL_MS
    spoken = [at_ms for at_ms, partial in partials if at_ms <= last_ms]
    assert len(spoken) >= (last_ms - spoken[0]) / PARTIAL_EVERY_MS
    assert max(after - before for before, after in pairwise(spoken)) <= PARTIAL_EVERY_MS
    assert max(at_ms - partial.end_ms for at_ms, partial in partials) <= SLACK_MS
    assert [final.text for _at_ms, final in finals] == [SENTENCE]
    assert finals[0][0] - last_ms <= ENDPOINT_MS + SLACK_MS


def test_text_comes_four_times_a_second_and_the_final_with_the_endpoint() -> None:
    assert_in_time(Rig(FakeEngine()).hear(talk(), frame_ms=FRAME_MS, max_segment_ms=ONE_SEGMENT_MS))


def test_a_server_that_looks_once_a_second_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(FakeEngine())
    turn, turns = rig.turn, iter(range(10_000))
    monkeypatch.setattr(rig, "turn", lambda: turn() if next(turns) % (1_000 // FRAME_MS) == 0 else None)

    with pytest.raises(AssertionError):
        assert_in_time(rig.hear(talk(), frame_ms=FRAME_MS, max_segment_ms=ONE_SEGMENT_MS))


def assert_nobody_waits_for_a_pause(transcript: Transcript, longest_ms: int) -> None:
    """Words of a speaker who never pauses become final all the same, and none is lost or said twice."""
    finals = transcript.timed(TranscriptFinal)
    assert max(at_ms - final.start_ms for at_ms, final in finals) <= longest_ms + SLACK_MS
    assert transcript.text.split() == [*VOCABULARY] * NUM_ROUNDS


@pytest.mark.parametrize("longest_ms", [LONGEST_WAIT_MS, 15_000])
def test_a_speaker_who_never_pauses_gets_finals_all_the_same(longest_ms: int) -> None:
    assert_nobody_waits_for_a_pause(
        Rig(FakeEngine()).hear(NEVER_PAUSING, frame_ms=FRAME_MS, max_segment_ms=longest_ms), longest_ms
    )


def test_a_speaker_who_is_never_cut_would_be_noticed() -> None:
    transcript = Rig(FakeEngine()).hear(NEVER_PAUSING, frame_ms=FRAME_MS, max_segment_ms=600_000)

    with pytest.raises(AssertionError):
        assert_nobody_waits_for_a_pause(transcript, LONGEST_WAIT_MS)


def assert_finals_go_first(steps: list[Step]) -> None:
    assert any(step.num_waiting for step in steps)
    assert [step for step in steps if step.num_waiting and not step.is_final] == []


def overloaded(rig: Rig, num_streams: int = 16) -> list[Transcript]:
    """Streams that end their sentences at different times; the engine runs once for 400 ms of audio and takes four of them."""
    audios = [np.concatenate([silence(number / 8), talk(), talk()]) for number in range(num_streams)]
    return rig.hear_all(audios, frame_ms=400)


def test_under_four_times_the_load_finals_go_first_and_none_is_lost() -> None:
    rig, engine = counting_rig(max_batch=4)

    transcripts = overloaded(rig)

    assert_finals_go_first(engine.steps)
    assert [transcript.text for transcript in transcripts] == [f"{SENTENCE} {SENTENCE}"] * 16


def assert_fair(transcripts: list[Transcript]) -> None:
    """Who speaks at the same time as everybody else sees as much text come as everybody else."""
    counts = [len(transcript.partials) for transcript in transcripts]
    assert min(counts) > 3
    assert max(counts) <= min(counts) + 1


def test_under_four_times_the_load_partials_come_to_everybody_alike() -> None:
    assert_fair(Rig(FakeEngine(), max_batch=4).hear_all([talk()] * 16, frame_ms=400))


def test_streams_of_which_the_newest_wish_is_served_first_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def newest_first(wishes: Sequence[Wish], max_batch: int, *_limits: object, **_turn: object) -> list[Wish]:
        newest = sorted(wishes, key=lambda wish: wish.since_s, reverse=True)
        return [wish for wish in newest if wish.is_final == newest[0].is_final][:max_batch]

    monkeypatch.setattr("inference.stepping.choose", newest_first)

    with pytest.raises(AssertionError):
        assert_fair(Rig(FakeEngine(), max_batch=4).hear_all([talk()] * 16, frame_ms=400))


def test_finals_that_wait_behind_partials_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def partials_first(wishes: Sequence[Wish], max_batch: int, *_limits: object, **_turn: object) -> list[Wish]:
        ordered = sorted(wishes, key=lambda wish: wish.is_final)
        return [wish for wish in ordered if wish.is_final == ordered[0].is_final][:max_batch]

    monkeypatch.setattr("inference.stepping.choose", partials_first)
    rig, engine = counting_rig(max_batch=4)
    overloaded(rig)

    with pytest.raises(AssertionError):
        assert_finals_go_first(engine.steps)


def assert_flat(costs: list[int]) -> None:
    """The last third costs no more than the first, within a tenth."""
    third = len(costs) // 3
    assert sum(costs[-third:]) <= MAX_GROWTH * sum(costs[:third])


def samples_by_stretch(count: int, **options: Any) -> list[int]:
    """How much audio the engine was shown in each 20 s of one stream that never pauses."""
    rig, engine = counting_rig()
    stretch = np.resize(NEVER_PAUSING, 20 * SAMPLE_RATE_HZ)
    stream = rig.open(StreamOptions(encoding="pcm_f32le", **options))
    costs = []
    for _ in range(count):
        before = len(engine.steps)
        for start in range(0, len(stretch), SAMPLE_RATE_HZ // 5):
            rig.send(stream, stretch[start : start + SAMPLE_RATE_HZ // 5])
            rig.turn()
        costs.append(sum(step.num_samples for step in engine.steps[before:]))
    return costs


def test_the_last_minutes_of_ten_cost_no_more_than_the_first() -> None:
    assert_flat(samples_by_stretch(30))


def test_cost_that_grows_with_the_age_of_a_stream_would_be_noticed() -> None:
    costs = samples_by_stretch(3, max_segment_ms=600_000)

    with pytest.raises(AssertionError):
        assert_flat(costs)


class WarmsUpLate(Faulty):
    """Leaves its warm-up to the first speaker."""

    is_warm = False

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        if not self.is_warm:
            self.is_warm = True
            self.engine.warm_up()
        return super().step(batch)


def assert_the_first_costs_no_more(rig: Rig, engine: Counts) -> None:
    """The same talk in one session after the other takes the same steps."""
    steps = []
    for _ in range(3):
        before = len(engine.steps)
        rig.hear(talk())
        steps.append([replace(step, num_waiting=0) for step in engine.steps[before:]])
    assert steps[0] == steps[1] == steps[2]


def test_the_first_session_costs_no_more_than_later_ones() -> None:
    assert_the_first_costs_no_more(*counting_rig())


def test_a_first_session_that_pays_for_the_warm_up_would_be_noticed() -> None:
    engine = Counts(FakeEngine())

    with pytest.raises(AssertionError):
        assert_the_first_costs_no_more(Rig(WarmsUpLate(engine)), engine)


def test_every_result_says_how_long_it_waited_and_how_long_it_was_worked_on() -> None:
    """Of two streams with one place in a batch the second waits while the first is worked on."""
    delay_s = 0.02
    rig = Rig(FakeEngine(Faults(step_delay_s=delay_s)), max_batch=1)

    timings = [final.timings for transcript in rig.hear_all([talk(), talk()]) for final in transcript.finals]

    assert min(timing.infer_ms for timing in timings) >= delay_s * 1_000
    assert max(timing.queue_ms for timing in timings) >= delay_s * 1_000
