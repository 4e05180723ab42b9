"""From audio to segments at the edges: where they lie when a pause, a finalize, a gap and the end fall together."""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise, repeat
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.audio import num_samples_of, to_ms, to_samples
from inference.endpointing import FRAME_SAMPLES
from inference.gate import EnergyGate
from inference.messages import (
    AnyStreamEvent,
    Checkpoint,
    ConfigureStream,
    SpeechEnded,
    SpeechStarted,
    StreamDone,
    StreamOptions,
    StreamProgress,
    Timings,
    TranscriptFinal,
)
from inference.segmenting import POST_ROLL_SAMPLES
from inference.stream import Heard, Stream

HEARD = Heard("hello", "", "en", 0.9, (), "fake", Timings(queue_ms=0.0, infer_ms=0.0))
QUIET_DB = -60.0
Run = tuple[float, int]
"""A speech probability and how many frames it lasts."""
Deed = tuple[str, int]
"""What is done to a stream, and with how much of it."""


class Talk:
    """One stream, fed and judged by hand. `segments`: start and end of each that was recognised."""

    def __init__(self, *runs: Run, gate: EnergyGate | None = None, **options: object) -> None:
        self.options = StreamOptions(encoding="pcm_f32le", **options)  # type: ignore[arg-type]  # options by name
        gate = gate or EnergyGate(near_db=-inf, margin_db=-inf)  # every frame is judged unless a test wishes otherwise
        self.stream = Stream(7, "fake", self.options, gate=gate)
        self.probs: Iterator[float] = chain(chain.from_iterable(repeat(prob, count) for prob, count in runs), repeat(0.0))
        self.num_frames = 0
        self.events: list[AnyStreamEvent] = []
        self.segments: list[tuple[int, int]] = []

    def push(self, num_frames: int, level: float = 0.1) -> None:
        self.stream.push(np.full(num_frames, level, dtype="<f4").tobytes())
        self.num_frames += num_frames

    def judge(self) -> None:
        while self.stream.has_frame():
            assert self.stream.next_frames(1).shape == (1, 64 + FRAME_SAMPLES)
            self.stream.judge(next(self.probs))
            self.stream.settle()
        self.stream.settle()

    def recognise(self) -> None:
        while self.stream.wants_final:
            segment = self.stream._segments.closed[0]
            assert segment.end is not None
            assert len(self.stream.window()[0]) == segment.end - segment.start
            self.segments.append((segment.start, segment.end))
            self.stream.complete(HEARD)
            self.stream.settle()
        self.events += self.stream.events
        self.stream.events = []

    def hear(self, num_frames: int, level: float = 0.1) -> None:
        self.push(num_frames, level)
        self.judge()
        self.recognise()

    def end(self) -> Checkpoint:
        self.stream.end()
        self.judge()
        self.recognise()
        assert [type(event) for event in self.events].count(StreamDone) == 1
        return self.stream.checkpoint

    @property
    def finals(self) -> list[TranscriptFinal]:
        return [event for event in self.events if isinstance(event, TranscriptFinal)]

    @property
    def turns(self) -> list[str]:
        return [type(event).__name__ for event in self.events if isinstance(event, SpeechStarted | SpeechEnded)]


def of_frames(count: int) -> int:
    return count * FRAME_SAMPLES


# A few samples


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("num_frames", [0, 1, 511, 512, 513])
def test_a_stream_that_ends_before_anything_is_judged_is_as_long_as_it_was(rate_hz: int, num_frames: int) -> None:
    talk = Talk(sample_rate_hz=rate_hz)

    talk.hear(num_frames)

    assert talk.end() == Checkpoint(silence_samples=num_samples_of(num_frames, rate_hz))


def test_no_audio_changes_nothing() -> None:
    talk = Talk((1.0, 3))
    talk.hear(of_frames(3))
    before = (talk.stream.buffer.end, talk.stream.has_frame(), list(talk.events))

    talk.hear(0)

    assert (talk.stream.buffer.end, talk.stream.has_frame(), talk.events) == before


def test_a_frame_is_judged_with_its_last_sample_and_not_before() -> None:
    talk = Talk()

    talk.push(FRAME_SAMPLES - 1)
    before = talk.stream.has_frame()
    talk.push(1)

    assert (before, talk.stream.has_frame()) == (False, True)


# Segments that are too long


@pytest.mark.parametrize("endpoint_ms", [500, 1_000, 2_000, 5_000])
@pytest.mark.parametrize("quietest_ms", [0, 300, 600, 900])
def test_a_pause_at_the_end_of_a_long_segment_ends_it_once(endpoint_ms: int, quietest_ms: int) -> None:
    """Where a longer pause was to end it, and the quietest place of the last seconds lies far behind the voice."""
    num_voiced = 60
    talk = Talk((1.0, num_voiced), endpoint_ms=endpoint_ms, max_segment_ms=3_000)
    talk.push(of_frames(num_voiced))
    talk.push(to_samples(quietest_ms), 0.01)
    talk.hear(to_samples(100), 0.0)
    talk.hear(to_samples(8_000), 0.01)

    talk.end()

    assert [start <= end for start, end in talk.segments] == [True] * len(talk.segments)
    assert talk.segments[-1][1] == of_frames(num_voiced) + POST_ROLL_SAMPLES
    assert talk.turns == ["SpeechStarted", "SpeechEnded"]


def test_speech_that_goes_on_after_such_a_pause_begins_anew_behind_it() -> None:
    talk = Talk((1.0, 60), (0.0, 60), (1.0, 20), endpoint_ms=5_000, max_segment_ms=3_000)

    talk.hear(of_frames(400))
    talk.end()

    first, second = talk.segments
    assert first[1] <= second[0] <= of_frames(120)
    assert talk.turns == ["SpeechStarted", "SpeechEnded"] * 2


def test_a_segment_that_is_cut_off_in_a_short_pause_and_hears_no_voice_does_not_end_before_it_begins() -> None:
    """The cut lies a quarter of a second behind the voice, and what is shown of a segment is close to its voice."""
    talk = Talk((1.0, 80), max_segment_ms=3_000)
    talk.push(of_frames(80))
    talk.push(to_samples(200), 0.01)
    talk.hear(to_samples(100), 0.0)
    talk.hear(to_samples(2_000), 0.01)

    first, second = talk.finals
    assert talk.segments[1] == (of_frames(80) + to_samples(250), of_frames(80) + POST_ROLL_SAMPLES)
    assert first.end_ms == second.start_ms <= second.end_ms


def test_a_long_segment_goes_on_over_a_pause_as_short_as_any() -> None:
    talk = Talk((1.0, 80), (0.0, 13), (1.0, 20), endpoint_ms=2_000, max_segment_ms=3_000)

    talk.hear(of_frames(113))

    assert len(talk.segments) > 1
    assert talk.turns == ["SpeechStarted"]


# Ends of segments


def test_a_segment_is_not_ended_while_frames_of_it_wait() -> None:
    talk = Talk((1.0, 200))
    talk.hear(of_frames(30))
    talk.push(of_frames(2))

    talk.stream.end_segment()
    still_open = not talk.stream.wants_final
    talk.judge()
    talk.stream.end_segment()
    talk.recognise()

    assert still_open
    assert talk.segments == [(0, of_frames(32))]


def test_speech_that_goes_on_after_its_segment_was_ended_is_in_the_next() -> None:
    talk = Talk((1.0, 60))
    talk.hear(of_frames(30) + 100)
    talk.stream.end_segment()
    talk.hear(of_frames(60))
    talk.end()

    assert talk.segments[0] == (0, of_frames(30))
    assert talk.segments[1][0] == of_frames(30)


def test_to_end_a_segment_where_nobody_speaks_is_nothing() -> None:
    talk = Talk()
    talk.hear(of_frames(40))

    talk.stream.end_segment()
    talk.judge()

    assert (talk.finals, talk.turns, talk.stream.is_between_segments) == ([], [], True)


def test_a_finalize_right_after_another_is_an_empty_final_at_the_same_place() -> None:
    talk = Talk((1.0, 30))
    talk.hear(of_frames(30) + 17)
    for _ in range(2):
        talk.stream.finalize()
        talk.judge()
        talk.recognise()

    first, second = talk.finals
    assert talk.segments == [(0, of_frames(30) + 17), (of_frames(30) + 17, of_frames(30) + 17)]
    assert second.start_ms == second.end_ms == first.end_ms


def test_the_end_right_after_a_finalize_gives_no_other_final() -> None:
    talk = Talk((1.0, 30))
    talk.push(of_frames(30))

    talk.stream.finalize()
    account = talk.end()

    assert [final.from_finalize for final in talk.finals] == [True]
    assert account == Checkpoint(transcribed_samples=of_frames(30), next_segment=1)


# Options


def test_options_that_change_within_a_segment_wait_for_its_end() -> None:
    talk = Talk((1.0, 30), endpoint_ms=500)
    talk.hear(of_frames(30))
    talk.stream.configure(ConfigureStream(stream=7, endpoint_ms=5_000))
    meanwhile = talk.stream.endpointer.endpoint_ms

    talk.hear(of_frames(30))

    assert (meanwhile, talk.stream.endpointer.endpoint_ms, len(talk.finals)) == (500, 5_000, 1)


def test_options_that_change_where_nobody_speaks_count_at_once() -> None:
    talk = Talk()

    talk.stream.configure(ConfigureStream(stream=7, endpoint_ms=900))

    assert talk.stream.endpointer.endpoint_ms == 900


# How far it is


def test_a_stream_is_behind_by_what_came_after_the_segment_that_waits() -> None:
    talk = Talk((1.0, 30))
    talk.push(of_frames(30))
    talk.stream.finalize()
    talk.push(of_frames(10))
    talk.judge()

    assert talk.stream.behind_ms == to_ms(of_frames(10))


def test_a_stream_of_which_every_frame_waits_is_behind_by_all_that_came() -> None:
    talk = Talk()

    talk.push(of_frames(10))

    assert talk.stream.behind_ms == to_ms(of_frames(10))


def test_no_quiet_is_told_of_while_somebody_speaks() -> None:
    talk = Talk((1.0, 30), gate=EnergyGate())
    talk.hear(of_frames(30))

    talk.stream.report()

    (told,) = talk.stream.events
    assert isinstance(told, StreamProgress)
    assert (told.floor_db, told.quiet_samples, told.measured_samples) == (None, 0, of_frames(30))


# What does not come


def test_quiet_that_does_not_come_lies_behind_what_the_denoiser_held_back() -> None:
    """A process that has no denoiser is told of quiet, and one that has may go on with the stream."""
    talk = Talk(denoise=True)
    talk.push(1_000)

    talk.stream.pass_over(5_000, QUIET_DB)

    buffer = talk.stream.buffer
    assert buffer.end == 6_000
    assert not buffer.read(1_000, 6_000).any()


def test_a_gap_lies_behind_what_the_denoiser_held_back() -> None:
    talk = Talk(denoise=True)
    talk.push(1_000)

    talk.stream.push_gap(5_000)

    buffer = talk.stream.buffer
    assert buffer.end == 6_000
    assert not buffer.read(1_000, 6_000).any()


def test_quiet_that_does_not_come_after_a_gap_leaves_the_gap_one() -> None:
    talk = Talk(gate=EnergyGate())
    talk.hear(16_000, 0.0)
    talk.stream.push_gap(100)
    talk.num_frames += 100

    talk.stream.pass_over(48_000, QUIET_DB)

    assert talk.stream.checkpoint == Checkpoint(silence_samples=64_000, gap_samples=100)


def test_a_gap_that_shares_its_sample_with_the_next_is_counted_once() -> None:
    """Three frames at 48 kHz are a sample; two of them are missing."""
    talk = Talk(sample_rate_hz=48_000)
    for _ in range(2):
        talk.stream.push_gap(1)
    talk.push(1)

    assert talk.end() == Checkpoint(gap_samples=1)


SAMPLES = st.one_of(st.integers(0, 3), st.integers(500, 530), st.integers(1, 100_000))
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["loud", "low", "gap", "quiet"]), SAMPLES),
        st.tuples(st.sampled_from(["finalize", "end_segment", "later"]), st.just(0)),
        st.tuples(st.just("endpoint_ms"), st.sampled_from([100, 500, 5_000])),
    ),
    max_size=14,
)
RUNS = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 1.0]), st.integers(1, 120)), max_size=8)

OPTIONS = st.fixed_dictionaries(
    {
        "sample_rate_hz": st.sampled_from([8_000, 16_000, 44_100, 48_000]),
        "endpoint_ms": st.sampled_from([100, 500, 5_000]),
        "denoise": st.booleans(),
    }
)


def play(talk: Talk, deeds: Sequence[Deed]) -> Checkpoint:
    """Do them one after another; what is `later` is judged with what follows."""
    for deed, amount in deeds:
        match deed:
            case "loud" | "low":
                talk.push(amount, 0.1 if deed == "loud" else 1e-4)
            case "gap":
                talk.stream.push_gap(amount)
                talk.num_frames += amount
            case "quiet":
                talk.stream.pass_over(amount, QUIET_DB)
                talk.num_frames += amount
            case "finalize":
                talk.stream.finalize()
            case "end_segment":
                talk.stream.end_segment()
            case "endpoint_ms":
                talk.stream.configure(ConfigureStream(stream=7, endpoint_ms=amount))
        if deed != "later":
            talk.judge()
            talk.recognise()
    return talk.end()


@settings(deadline=None, max_examples=80)
@given(DEEDS, RUNS, OPTIONS, st.booleans())
@example([("loud", 48_000), ("low", 64_000)], [(1.0, 90), (0.0, 60)], {"sample_rate_hz": 16_000, "endpoint_ms": 5_000}, False)
@example([("loud", 30_000), ("quiet", 7), ("gap", 1), ("finalize", 0)], [(1.0, 9)], {"sample_rate_hz": 44_100}, True)
def test_segments_lie_one_behind_another_and_every_sample_is_counted_whatever_is_done(
    deeds: list[Deed], runs: list[Run], options: dict[str, Any], is_gated: bool
) -> None:
    rate_hz = options["sample_rate_hz"]
    talk = Talk(*runs, gate=EnergyGate() if is_gated else None, max_segment_ms=3_000, **options)

    account = play(talk, deeds)

    edges = [edge for segment in talk.segments for edge in segment]
    assert edges == sorted(edges)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(talk.finals))
    assert all(final.start_ms <= final.end_ms for final in talk.finals)
    assert sum(final.from_finalize for final in talk.finals) == [deed for deed, _amount in deeds].count("finalize")
    assert talk.turns == ["SpeechStarted", "SpeechEnded"] * (len(talk.turns) // 2)
    assert abs(account.settled_samples - num_samples_of(talk.num_frames, rate_hz)) <= (rate_hz not in (8_000, 16_000))
    assert account.transcribed_samples <= sum(end - start for start, end in talk.segments)
