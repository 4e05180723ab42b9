"""Voice activity of many streams in a pass: how many frames at once, of whom, and that nobody pays for another."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.endpointing import FRAME_SAMPLES
from inference.engines.fake import speak
from inference.gate import LOOKBACK_FRAMES, EnergyGate
from inference.judging import MAX_RUN_FRAMES, MAX_VAD_ROUNDS, MIN_RUN_FRAMES, FrameJudge
from inference.messages import Checkpoint, SpeechStarted, StreamFailed, StreamOptions
from inference.stream import Stream
from inference.vad import LevelVad, VadState


@dataclass
class NotingVad(LevelVad):
    """Remembers how many streams each round had, and how many frames each run; and whose state it was given."""

    rounds: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    states: list[VadState] = field(default_factory=list)

    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        self.rounds.append(len(frames))
        self.states += states
        return LevelVad.probabilities(self, frames, states)

    def run_probabilities(self, frames: np.ndarray, state: VadState) -> list[float]:
        self.runs.append(len(frames))
        self.states.append(state)
        return LevelVad.probabilities(self, list(frames), [state] * len(frames))


@pytest.fixture
def vad() -> NotingVad:
    return NotingVad()


@pytest.fixture
def judge(vad: NotingVad) -> FrameJudge:
    return FrameJudge(vad, lambda: 0.0)


def a_stream(audio: np.ndarray, *, is_gated: bool = False, number: int = 7) -> Stream:
    gate = EnergyGate() if is_gated else EnergyGate(near_db=-inf, margin_db=-inf)
    stream = Stream(number, "fake", StreamOptions(encoding="pcm_f32le"), Checkpoint(), gate=gate)
    stream.push(audio.astype("<f4").tobytes())
    return stream


def loud(num_frames: int) -> np.ndarray:
    return np.full(num_frames * FRAME_SAMPLES, 0.1, dtype=np.float32)


def quiet(num_frames: int) -> np.ndarray:
    return np.zeros(num_frames * FRAME_SAMPLES, dtype=np.float32)


def startled(num_quiet: int = 100, num_loud: int = 5) -> Stream:
    """Nothing is said for a while, and then something loud."""
    return a_stream(np.concatenate([quiet(num_quiet), loud(num_loud)]), is_gated=True)


def num_judged(stream: Stream) -> int:
    return stream.endpointer.num_frames


# Rounds


def test_a_round_has_one_frame_of_everybody_who_has_one(vad: NotingVad, judge: FrameJudge) -> None:
    streams = [a_stream(loud(count)) for count in (2, 5, 0)]

    judge.judge(streams)

    assert vad.rounds == [2, 2, 1, 1, 1]
    assert [num_judged(stream) for stream in streams] == [2, 5, 0]


def test_where_nobody_has_a_frame_the_network_is_not_asked(vad: NotingVad, judge: FrameJudge) -> None:
    judge.judge([])
    judge.judge([a_stream(loud(0)), a_stream(np.full(FRAME_SAMPLES - 1, 0.1))])

    assert (vad.rounds, vad.runs) == ([], [])


def test_a_stream_far_behind_gets_no_more_than_its_rounds(judge: FrameJudge) -> None:
    behind, other = a_stream(loud(MAX_VAD_ROUNDS + 1)), a_stream(loud(3))

    judge.judge([behind, other])
    first = (num_judged(behind), num_judged(other))
    judge.judge([behind, other])

    assert first == (MAX_VAD_ROUNDS, 3)
    assert num_judged(behind) == MAX_VAD_ROUNDS + 1


def test_everybody_gets_the_probability_of_their_own_frame(judge: FrameJudge) -> None:
    voices = [loud(5), quiet(5), loud(5)]
    streams = [a_stream(audio, number=number) for number, audio in enumerate(voices)]

    judge.judge(streams)

    assert [stream.endpointer.is_speaking for stream in streams] == [True, False, True]


def test_a_stream_that_fails_takes_nobody_elses_probability(judge: FrameJudge) -> None:
    """The one in the middle has lost the audio of its frame."""
    streams = [a_stream(audio, number=number) for number, audio in enumerate([quiet(5), loud(5), loud(5)])]
    streams[1].buffer.drop_before(streams[1].buffer.end)

    judge.judge(streams)

    assert [stream.is_done for stream in streams] == [False, True, False]
    assert [stream.endpointer.is_speaking for stream in (streams[0], streams[2])] == [False, True]
    assert [type(event) for event in streams[1].events] == [StreamFailed]


def test_a_fault_after_the_network_fails_its_own_stream_only(judge: FrameJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, other = a_stream(loud(5)), a_stream(loud(5))
    push = type(broken.endpointer).push

    def maybe_push(endpointer: object, prob: float, *, is_near: bool) -> object:
        if endpointer is broken.endpointer:
            raise RuntimeError("a fault was switched on")
        return push(endpointer, prob, is_near=is_near)  # type: ignore[arg-type]  # the endpointer of the other one

    monkeypatch.setattr(type(broken.endpointer), "push", maybe_push)

    judge.judge([broken, other])

    assert (broken.is_done, other.is_done) == (True, False)
    assert [type(event) for event in broken.events] == [StreamFailed]
    assert num_judged(other) == 5


def test_a_stream_that_is_over_is_not_judged(vad: NotingVad, judge: FrameJudge) -> None:
    over, startled_and_over = a_stream(loud(5)), startled()
    over.is_done = startled_and_over.is_done = True

    judge.judge([over, startled_and_over])

    assert (vad.rounds, vad.runs) == ([], [])


def test_a_finalize_is_carried_out_where_no_frame_is_left_to_judge(judge: FrameJudge) -> None:
    streams = [a_stream(loud(0)), a_stream(np.full(FRAME_SAMPLES - 1, 0.1))]
    for stream in streams:
        stream.finalize()

    judge.judge(streams)

    assert [stream.wants_final for stream in streams] == [True, True]


def test_frames_behind_a_finalize_are_judged_in_the_same_pass(judge: FrameJudge) -> None:
    stream = a_stream(loud(5))
    stream.finalize()
    stream.push(loud(3).tobytes())

    judge.judge([stream])

    assert num_judged(stream) == 8
    assert stream.wants_final


def test_a_fault_in_a_finalize_fails_its_own_stream_only(judge: FrameJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, other = a_stream(loud(0)), a_stream(loud(0))
    settle = Stream.settle

    def maybe_settle(stream: Stream) -> None:
        if stream is broken:
            raise RuntimeError("a fault was switched on")
        settle(stream)

    monkeypatch.setattr(Stream, "settle", maybe_settle)
    for stream in (broken, other):
        stream.finalize()

    judge.judge([broken, other])

    assert (broken.is_done, other.wants_final) == (True, True)


def test_everybody_is_judged_with_a_state_of_their_own(vad: NotingVad, judge: FrameJudge) -> None:
    streams = [a_stream(loud(1)), startled(), a_stream(loud(1))]

    judge.judge(streams)

    expected = [streams[1].vad, *(stream.vad for stream in streams)]  # what had waited goes first
    assert [id(state) for state in vad.states[:4]] == [id(state) for state in expected]


# Runs


def test_the_quiet_before_a_beginning_is_judged_in_one_call(vad: NotingVad, judge: FrameJudge) -> None:
    stream = startled()

    judge.judge([stream])

    assert vad.runs == [LOOKBACK_FRAMES]
    assert [event.at_ms for event in stream.events if isinstance(event, SpeechStarted)] == [100 * 32]


@pytest.mark.parametrize(("num_quiet", "runs"), [(MIN_RUN_FRAMES, [MIN_RUN_FRAMES]), (MIN_RUN_FRAMES - 1, [])])
def test_few_frames_are_judged_with_those_of_the_others(
    num_quiet: int, runs: list[int], vad: NotingVad, judge: FrameJudge
) -> None:
    stream = startled(num_quiet)

    judge.judge([stream])

    assert vad.runs == runs
    assert num_judged(stream) == num_quiet + 5


def test_a_run_is_no_longer_than_a_pass_can_bear(vad: NotingVad, judge: FrameJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.gate.LOOKBACK_FRAMES", 2 * MAX_RUN_FRAMES)
    stream = startled(num_quiet=2 * MAX_RUN_FRAMES)

    judge.judge([stream])

    assert vad.runs == [MAX_RUN_FRAMES]
    assert num_judged(stream) == MAX_RUN_FRAMES + MAX_VAD_ROUNDS


def test_a_fault_in_a_run_fails_its_own_stream_only(judge: FrameJudge) -> None:
    broken, other = startled(), startled()
    broken.buffer.drop_before(broken.buffer.end)

    judge.judge([broken, other])

    assert (broken.is_done, other.endpointer.is_speaking) == (True, True)


def test_those_who_are_startled_at_once_are_judged_in_order_and_each_pass_some() -> None:
    """The clock goes on by 30 ms at each look, so that two of them fill the time that all may take in a pass."""
    judge = FrameJudge(LevelVad(), itertools.count(0.0, 0.03).__next__)
    streams = [startled() for _ in range(4)]

    waiting = []
    for _ in range(4):
        judge.judge(streams)
        waiting.append([stream.has_frame() for stream in streams])

    assert waiting == [[number > turn for number in range(4)] for turn in range(4)]


def test_whoever_is_put_off_does_not_keep_back_those_who_speak() -> None:
    judge = FrameJudge(LevelVad(), itertools.count(0.0, 0.03).__next__)
    speaker, first, put_off = a_stream(loud(5)), startled(), startled()

    judge.judge([first, put_off, speaker])

    assert (num_judged(speaker), speaker.has_frame()) == (5, False)
    assert put_off.num_frames_waiting == LOOKBACK_FRAMES


WORDS = st.sampled_from(["alpha", "bravo charlie", "delta echo foxtrot golf"])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(WORDS, st.integers(0, 70_000)), min_size=1, max_size=4), st.integers(0, 5_000), st.booleans())
def test_how_frames_are_judged_changes_nothing(pauses: list[tuple[str, int]], piece: int, is_ending: bool) -> None:
    audio = np.concatenate([np.concatenate([np.zeros(pause, dtype=np.float32), speak(words)]) for words, pause in pauses])
    together, alone = a_stream(quiet(0), is_gated=True), a_stream(quiet(0), is_gated=True)
    judge, vad = FrameJudge(NotingVad(), lambda: 0.0), LevelVad()
    for part in np.array_split(audio, piece % 40 + 1):
        for stream in (together, alone):
            stream.push(part.tobytes())
    for stream in (together, alone):
        stream.end() if is_ending else stream.finalize()

    for _ in range(len(audio) // FRAME_SAMPLES // MAX_VAD_ROUNDS + 1):
        judge.judge([together])
    while alone.has_frame():
        alone.judge(*vad.probabilities([alone.next_frame()], [alone.vad]))
        alone.settle()
    alone.settle()

    assert not together.has_frame()
    assert together.events == alone.events
    assert together.checkpoint == alone.checkpoint
    assert together._segments.closed == alone._segments.closed
