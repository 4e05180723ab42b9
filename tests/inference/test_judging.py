"""Voice activity of many streams in a pass: how many frames at once, of whom, and that nobody pays for another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.endpointing import FRAME_SAMPLES, Endpointer
from inference.engines.fake import speak
from inference.gate import LOOKBACK_FRAMES, EnergyGate
from inference.judging import MAX_FRAMES, MAX_QUIET_FRAMES, FrameJudge
from inference.messages import Checkpoint, SpeechStarted, StreamFailed, StreamOptions
from inference.stream import Stream
from inference.vad import Judged, LevelVad, VadState


@dataclass
class NotingVad(LevelVad):
    """Remembers how many frames of each stream a call had. The state counts the frames that were judged."""

    calls: list[list[int]] = field(default_factory=list)

    def judge(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[Judged]:
        self.calls.append([len(run) for run in frames])
        found = LevelVad.judge(self, frames, states)
        counted = [state.recurrent + np.arange(1, len(run) + 1)[:, None, None] for run, state in zip(frames, states, strict=True)]
        return [Judged(judged.probs, counts) for judged, counts in zip(found, counted, strict=True)]


@pytest.fixture
def vad() -> NotingVad:
    return NotingVad()


@pytest.fixture
def judge(vad: NotingVad) -> FrameJudge:
    return FrameJudge(vad)


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


def num_counted(stream: Stream) -> int:
    """By the state."""
    return int(stream.vad.recurrent[0, 0])


# Together


def test_a_call_has_all_frames_of_everybody_who_has_one(vad: NotingVad, judge: FrameJudge) -> None:
    streams = [a_stream(loud(count)) for count in (2, 5, 0)]

    judge.judge(streams)

    assert vad.calls == [[2, 5]]
    assert [num_judged(stream) for stream in streams] == [2, 5, 0]
    assert [num_counted(stream) for stream in streams] == [2, 5, 0]


def test_where_nobody_has_a_frame_the_network_is_not_asked(vad: NotingVad, judge: FrameJudge) -> None:
    judge.judge([])
    judge.judge([a_stream(loud(0)), a_stream(np.full(FRAME_SAMPLES - 1, 0.1))])

    assert vad.calls == []


def test_a_stream_far_behind_gets_no_more_than_its_share(judge: FrameJudge) -> None:
    behind, other = a_stream(loud(MAX_FRAMES + 1)), a_stream(loud(3))

    judge.judge([behind, other])
    first = (num_judged(behind), num_judged(other))
    judge.judge([behind, other])

    assert first == (MAX_FRAMES, 3)
    assert num_judged(behind) == num_counted(behind) == MAX_FRAMES + 1


def test_frames_behind_one_that_ends_what_is_heard_move_no_state(vad: NotingVad, judge: FrameJudge) -> None:
    """Somebody stops speaking; the quiet after that is passed over, and then comes something loud."""
    stream = a_stream(np.concatenate([loud(5), quiet(200), loud(3)]), is_gated=True)
    skip, skipped = Endpointer.skip, []

    def noting_skip(endpointer: Endpointer, num_frames: int, last_near: int | None) -> None:
        skipped.append(num_frames)
        skip(endpointer, num_frames, last_near)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpointer, "skip", noting_skip)
        while stream.has_frame():
            judge.judge([stream])

    assert num_judged(stream) == 208
    assert skipped
    assert num_counted(stream) == 208 - sum(skipped)
    assert sum(sum(call) for call in vad.calls) > num_counted(stream)


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

    assert vad.calls == []


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


# The quiet before something loud


def test_the_quiet_before_a_beginning_is_judged_in_one_call_with_it(vad: NotingVad, judge: FrameJudge) -> None:
    stream, other = startled(), a_stream(loud(4))

    judge.judge([stream, other])

    assert vad.calls == [[LOOKBACK_FRAMES + 5, 4]]
    assert [event.at_ms for event in stream.events if isinstance(event, SpeechStarted)] == [100 * 32]


def test_of_the_quiet_is_judged_no_more_than_a_pass_can_bear(judge: FrameJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.gate.LOOKBACK_FRAMES", 2 * MAX_QUIET_FRAMES)
    stream = startled(num_quiet=2 * MAX_QUIET_FRAMES)

    judge.judge([stream])

    assert num_judged(stream) == MAX_QUIET_FRAMES + MAX_FRAMES


def test_a_fault_in_the_quiet_fails_its_own_stream_only(judge: FrameJudge) -> None:
    broken, other = startled(), startled()
    broken.buffer.drop_before(broken.buffer.end)

    judge.judge([broken, other])

    assert (broken.is_done, other.endpointer.is_speaking) == (True, True)


def test_those_who_are_startled_at_once_are_judged_in_order_and_each_pass_some(
    judge: FrameJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.judging.MAX_STARTLED_FRAMES", 2 * LOOKBACK_FRAMES)
    streams = [startled() for _ in range(5)]

    waiting = []
    for _ in range(3):
        judge.judge(streams)
        waiting.append([stream.has_frame() for stream in streams])

    assert waiting == [[number >= 2 * turn for number in range(5)] for turn in (1, 2, 3)]


def test_whoever_is_put_off_does_not_keep_back_those_who_speak(judge: FrameJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.judging.MAX_STARTLED_FRAMES", 1)
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
    judge, vad = FrameJudge(NotingVad()), NotingVad()
    for part in np.array_split(audio, piece % 40 + 1):
        for stream in (together, alone):
            stream.push(part.tobytes())
    for stream in (together, alone):
        stream.end() if is_ending else stream.finalize()

    for _ in range(len(audio) // FRAME_SAMPLES // MAX_FRAMES + 1):
        judge.judge([together])
    while alone.has_frame():
        (judged,) = vad.judge([alone.next_frames(1)], [alone.vad])
        alone.judge(*judged.probs)
        judged.move(alone.vad, 1)
        alone.settle()
    alone.settle()

    assert not together.has_frame()
    assert together.events == alone.events
    assert num_counted(together) == num_counted(alone)
    assert together.checkpoint == alone.checkpoint
    assert together._segments.closed == alone._segments.closed
