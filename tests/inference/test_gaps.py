"""Audio that never came: time goes on over it, and it is counted as missing wherever it falls, once."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from math import inf

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.audio import SAMPLE_RATE_HZ, num_samples_of, to_samples
from inference.endpointing import FRAME_SAMPLES
from inference.gate import EnergyGate
from inference.messages import Checkpoint, StreamDone, StreamOptions, Timings, TranscriptFinal
from inference.stream import Heard, Stream

HEARD = Heard("hello", "", "en", 0.9, (), "fake", Timings(queue_ms=0.0, infer_ms=0.0))
Piece = tuple[str, int]


class Talk:
    """One stream, fed and judged by hand; `replay` is what a lost inference process makes necessary.

    `frames`: whether each frame that was sent came (1) or is missing (0).
    """

    def __init__(self, probs: Iterator[float], **options: object) -> None:
        self.options = StreamOptions(encoding="pcm_f32le", max_segment_ms=3_000, **options)  # type: ignore[arg-type]  # by name
        self.probs = probs
        self.frames = np.zeros(0, dtype=bool)
        self.finals: list[TranscriptFinal] = []
        self.checkpoint = Checkpoint()
        self.begin()

    def begin(self) -> None:
        self.stream = Stream(7, "fake", self.options, self.checkpoint, gate=EnergyGate(near_db=-inf, margin_db=-inf))

    def send(self, *, came: bool, num_frames: int) -> None:
        self.frames = np.append(self.frames, np.full(num_frames, came))
        self.give(came=came, num_frames=num_frames)

    def give(self, *, came: bool, num_frames: int) -> None:
        if came:
            self.stream.push(np.full(num_frames, 0.5, dtype="<f4").tobytes())
        else:
            self.stream.push_gap(num_frames)

    def replay(self) -> None:
        """A fresh process; what is not settled is told to it again."""
        self.begin()
        rest = self.frames[-(-self.checkpoint.settled_samples * self.options.sample_rate_hz // SAMPLE_RATE_HZ) :]
        for run in np.split(rest, np.flatnonzero(np.diff(rest)) + 1):
            if len(run):
                self.give(came=bool(run[0]), num_frames=len(run))

    def listen(self) -> None:
        while self.stream.has_frame():
            self.stream.judge(next(self.probs))
            self.stream.settle()
        self.stream.settle()
        while self.stream.wants_final:
            self.stream.window()
            self.stream.complete(HEARD)
            self.stream.settle()
        self.finals += [event for event in self.stream.events if isinstance(event, TranscriptFinal)]
        self.stream.events.clear()
        self.checkpoint = self.stream.checkpoint

    def end(self) -> Checkpoint:
        self.stream.end()
        self.listen()
        assert self.stream.is_done
        return self.checkpoint

    def play(self, pieces: Sequence[Piece]) -> Checkpoint:
        for kind, num_frames in pieces:
            if kind == "replay":
                self.replay()
            elif kind == "finalize":
                self.stream.finalize()
            else:
                self.send(came=kind == "audio", num_frames=num_frames)
            self.listen()
        return self.end()

    @property
    def num_missing_samples(self) -> int:
        """Samples at 16 kHz that lie in part or wholly within missing frames."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self.frames, [True]]).astype(np.int8)))
        scale = SAMPLE_RATE_HZ / self.options.sample_rate_hz
        is_missing = np.zeros(num_samples_of(len(self.frames), self.options.sample_rate_hz), dtype=bool)
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            is_missing[int(np.floor(first * scale)) : int(np.ceil(end * scale))] = True
        return int(is_missing.sum())


speech_or_not = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 1.0]), st.integers(1, 60)), max_size=10)
pieces = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(1, 60_000)),
        st.tuples(st.just("gap"), st.integers(1, 60_000)),
        st.tuples(st.just("gap"), st.integers(1, 9)),
        st.just(("finalize", 0)),
        st.just(("replay", 0)),
    ),
    max_size=12,
)


def scripted(runs: Sequence[tuple[float, int]]) -> Iterator[float]:
    return chain(chain.from_iterable(repeat(prob, count) for prob, count in runs), repeat(0.0))


@settings(deadline=None, max_examples=150)
@given(pieces, speech_or_not, st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]))
@example([("audio", 16_000), ("gap", 8_000), ("audio", 16_000)], [(1.0, 200)], 16_000)
@example([("gap", 1), ("gap", 1), ("audio", 3), ("gap", 4)], [], 48_000)
@example([("audio", 9_000), ("gap", 30_000), ("replay", 0), ("audio", 1), ("replay", 0)], [(0.0, 9), (1.0, 60)], 44_100)
def test_what_came_and_what_is_missing_add_up_to_the_stream(
    script: list[Piece], runs: list[tuple[float, int]], rate_hz: int
) -> None:
    talk = Talk(scripted(runs), sample_rate_hz=rate_hz)

    account = talk.play(script)

    assert abs(account.settled_samples - num_samples_of(len(talk.frames), rate_hz)) <= (rate_hz != SAMPLE_RATE_HZ)
    assert abs(account.gap_samples - talk.num_missing_samples) <= script.count(("replay", 0)) * (rate_hz != SAMPLE_RATE_HZ)


def test_the_account_would_show_a_gap_that_is_taken_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: here the gap is ordinary silence."""
    monkeypatch.setattr(Stream, "push_gap", lambda stream, num_frames: stream.push(bytes(4 * num_frames)))
    talk = Talk(repeat(0.0))

    account = talk.play([("audio", 16_000), ("gap", 16_000)])

    assert account.settled_samples == 32_000
    assert account.gap_samples != talk.num_missing_samples


def test_a_gap_within_speech_is_not_counted_as_transcribed() -> None:
    talk = Talk(scripted([(1.0, 60)]))

    account = talk.play([("audio", 10 * FRAME_SAMPLES), ("gap", 5 * FRAME_SAMPLES), ("audio", 45 * FRAME_SAMPLES)])

    assert len(talk.finals) == 1
    assert account.gap_samples == 5 * FRAME_SAMPLES
    assert account.transcribed_samples + account.silence_samples == 55 * FRAME_SAMPLES


def test_a_final_carries_the_checkpoint_that_it_makes() -> None:
    talk = Talk(scripted([(1.0, 40), (0.0, 60), (1.0, 40)]))

    talk.play([("audio", 100 * FRAME_SAMPLES), ("gap", 20 * FRAME_SAMPLES), ("audio", 100 * FRAME_SAMPLES)])

    assert [final.checkpoint.next_segment for final in talk.finals] == [1, 2]
    for final in talk.finals:
        assert final.checkpoint.settled_samples >= to_samples(final.end_ms) > 0


def test_two_minutes_of_nothing_end_and_the_next_words_come_at_their_time() -> None:
    talk = Talk(scripted([(1.0, 40), (0.0, 10_000)]), sample_rate_hz=48_000)

    account = talk.play([("audio", 48_000), ("gap", 120 * 48_000), ("audio", 48_000)])

    assert account.gap_samples == to_samples(120_000)
    assert account.settled_samples == to_samples(122_000)


def test_a_denoised_stream_keeps_its_time_over_a_gap() -> None:
    talk = Talk(repeat(0.0), sample_rate_hz=48_000, denoise=True)

    account = talk.play([("audio", 30_000), ("gap", 70_000), ("audio", 44_000), ("gap", 333)])

    assert account.settled_samples == num_samples_of(144_333, 48_000)
    assert account.gap_samples == talk.num_missing_samples


def test_nothing_missing_is_no_gap() -> None:
    stream = Stream(7, "fake", StreamOptions())

    stream.push_gap(0)
    stream.end()
    stream.settle()

    (done,) = stream.events
    assert isinstance(done, StreamDone)
    assert done.checkpoint == Checkpoint()
