"""A stream's book-keeping with scripted speech probabilities: no model, no clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise, repeat
from math import inf
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.audio import to_ms, to_samples
from inference.buffer import AudioBuffer
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
    TimedWord,
    Timings,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.segmenting import PRE_ROLL_SAMPLES
from inference.stream import Heard, Stream

EventT = TypeVar("EventT", bound=AnyStreamEvent)
UNIQUE = 2.0**-20
"""Sample number n has the value n * UNIQUE, so that any window shows which samples it holds."""
Run = tuple[float, int]
"""A speech probability and how many frames it lasts."""


def heard(text: str = "hello", stable: str = "") -> Heard:
    return Heard(text, stable, "en", 0.9, (), "fake", Timings(queue_ms=0.0, infer_ms=0.0))


@dataclass
class Driver:
    """Does what the recognition loop does, by hand. `windows`: first and last sample of every final window."""

    stream: Stream
    probs: Iterator[float]
    texts: Iterator[str] = field(default_factory=lambda: repeat("hello"))
    num_pushed: int = 0
    events: list[AnyStreamEvent] = field(default_factory=list)
    windows: list[tuple[int, int]] = field(default_factory=list)

    def push(self, num_samples: int) -> None:
        audio = np.arange(self.num_pushed, self.num_pushed + num_samples) * UNIQUE
        self.stream.push(audio.astype("<f4").tobytes())
        self.num_pushed += num_samples

    def judge(self) -> None:
        while self.stream.has_frame():
            self.stream.next_frames(1)
            self.stream.judge(next(self.probs))
            self.stream.settle()
        self.stream.settle()
        self.collect()

    def recognise(self) -> None:
        while self.stream.wants_final:
            audio, _languages = self.stream.window()
            if len(audio):
                self.windows.append(sample_numbers(audio))
            self.stream.complete(heard(next(self.texts)))
            self.stream.settle()
            self.collect()

    def collect(self) -> None:
        self.events += self.stream.events
        self.stream.events = []

    def hear(self, num_samples: int) -> None:
        self.push(num_samples)
        self.judge()
        self.recognise()

    def finalize(self) -> None:
        self.stream.finalize()
        self.judge()
        self.recognise()

    def end(self) -> StreamDone:
        self.stream.end()
        self.judge()
        self.recognise()
        (done,) = self.of(StreamDone)
        assert self.events[-1] is done
        return done

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]


def sample_numbers(audio: np.ndarray) -> tuple[int, int]:
    """First and last sample of a window that must be one unbroken piece of the stream."""
    numbers = np.rint(audio / UNIQUE).astype(int)
    assert (np.diff(numbers) == 1).all()
    return int(numbers[0]), int(numbers[-1])


def frames(runs: Sequence[Run]) -> Iterator[float]:
    """The runs one after another, then silence for ever."""
    return chain(chain.from_iterable(repeat(prob, count) for prob, count in runs), repeat(0.0))


def open_gate() -> EnergyGate:
    """Every frame is judged, whatever its level: scripts say what the detector hears."""
    return EnergyGate(near_db=-inf, margin_db=-inf)


def a_stream(**options: object) -> Stream:
    stream_options = StreamOptions(encoding="pcm_f32le", **options)  # type: ignore[arg-type]  # options by name
    return Stream(7, "fake", stream_options, gate=open_gate())


def a_driver(*runs: Run, **options: object) -> Driver:
    return Driver(a_stream(**options), frames(runs))


def of_frames(count: int) -> int:
    return count * FRAME_SAMPLES


def test_speech_starts_with_its_pre_roll_and_ends_after_the_endpoint() -> None:
    driver = a_driver((0.0, 40), (1.0, 30))

    driver.hear(of_frames(120))

    ((first, last),) = driver.windows
    assert first == of_frames(40) - PRE_ROLL_SAMPLES
    assert of_frames(70) < last <= of_frames(70) + to_samples(500)
    assert [event.at_ms for event in driver.of(SpeechStarted)] == [to_ms(of_frames(40))]
    assert [event.at_ms for event in driver.of(SpeechEnded)] == [to_ms(of_frames(70))]


def test_a_final_shows_when_it_was_spoken_and_not_the_silence_around_it() -> None:
    driver = a_driver((0.0, 40), (1.0, 30))
    words = tuple(
        TimedWord(text=text, start_ms=start_ms, end_ms=end_ms, confidence=1.0)
        for text, start_ms, end_ms in (("first", 0, 900), ("last", 900, 2_000))
    )

    driver.push(of_frames(120))
    driver.judge()
    driver.stream.window()
    driver.stream.complete(replace(heard(), words=words))
    driver.collect()

    (final,) = driver.of(TranscriptFinal)
    assert (final.start_ms, final.end_ms) == (to_ms(of_frames(40)) - 100, to_ms(of_frames(70)) + 100)
    window_start_ms = to_ms(of_frames(40) - PRE_ROLL_SAMPLES)
    assert [(word.start_ms, word.end_ms) for word in final.words] == [
        (final.start_ms, window_start_ms + 900),
        (window_start_ms + 900, final.end_ms),
    ]


def test_speech_at_the_very_beginning_starts_at_zero() -> None:
    driver = a_driver((1.0, 30))

    driver.hear(of_frames(80))

    assert driver.windows[0][0] == 0


def test_silence_is_settled_and_told_while_it_goes_on() -> None:
    driver = a_driver()

    driver.hear(to_samples(5_000))

    progress = driver.of(StreamProgress)
    assert [event.checkpoint.transcribed_samples for event in progress] == [0] * len(progress)
    assert progress[-1].checkpoint.silence_samples >= to_samples(3_000)


def test_no_audio_at_all_is_done_at_once() -> None:
    assert a_driver().end().checkpoint == Checkpoint()


def test_a_long_segment_is_cut_without_losing_or_doubling_a_sample() -> None:
    driver = a_driver((1.0, 1000), max_segment_ms=5_000)

    driver.hear(to_samples(17_000))
    done = driver.end()

    assert len(driver.windows) > 3
    assert driver.windows[0][0] == 0
    assert all(after[0] == before[1] + 1 for before, after in pairwise(driver.windows))
    assert driver.windows[-1][1] == to_samples(17_000) - 1
    assert done.checkpoint == Checkpoint(transcribed_samples=to_samples(17_000), next_segment=len(driver.windows))


def test_a_long_segment_is_cut_where_it_is_quietest() -> None:
    stream = a_stream(max_segment_ms=5_000)
    loud = np.full(to_samples(5_100), 0.5, dtype="<f4")
    quiet_from = to_samples(4_000)
    loud[quiet_from : quiet_from + to_samples(100)] = 0.001
    stream.push(loud.tobytes())
    while stream.has_frame():
        stream.judge(1.0)

    audio, _languages = stream.window()

    assert len(audio) == pytest.approx(quiet_from + to_samples(50), abs=160)


@pytest.mark.parametrize("num_extra", [0, 1, 300, 511])
def test_speech_goes_on_after_a_finalize_at_any_place_in_a_frame(num_extra: int) -> None:
    driver = a_driver((1.0, 60))
    driver.hear(of_frames(30) + num_extra)

    driver.finalize()
    driver.hear(of_frames(60))
    done = driver.end()

    first, second = driver.of(TranscriptFinal)
    assert (first.from_finalize, second.from_finalize) == (True, False)
    assert driver.windows[0] == (0, of_frames(30) + num_extra - 1)
    assert driver.windows[1][0] == of_frames(30) + num_extra
    assert done.checkpoint.settled_samples == driver.num_pushed


def test_a_finalize_in_silence_gives_an_empty_final() -> None:
    driver = a_driver()
    driver.hear(to_samples(2_000))

    driver.finalize()

    (final,) = driver.of(TranscriptFinal)
    assert final.from_finalize
    assert final.start_ms == final.end_ms


def test_a_finalize_before_any_audio_gives_a_final_too() -> None:
    driver = a_driver()

    driver.finalize()

    assert [final.from_finalize for final in driver.of(TranscriptFinal)] == [True]


def test_a_finalize_waits_for_the_frames_before_it_and_no_others() -> None:
    driver = a_driver((1.0, 200))
    driver.push(of_frames(50))
    driver.stream.finalize()
    driver.push(of_frames(50))

    driver.judge()
    driver.recognise()

    assert driver.windows == [(0, of_frames(50) - 1)]


@pytest.mark.parametrize("num_finalizes", [2, 3])
def test_every_finalize_gets_its_own_final(num_finalizes: int) -> None:
    driver = a_driver((1.0, 200))
    driver.push(of_frames(50))

    for _ in range(num_finalizes):
        driver.stream.finalize()
    driver.judge()
    driver.recognise()

    assert [final.from_finalize for final in driver.of(TranscriptFinal)] == [True] * num_finalizes


def test_a_short_word_at_the_end_is_recognised_although_it_is_no_speech_yet() -> None:
    driver = a_driver((0.0, 40), (1.0, 2))
    driver.hear(of_frames(42))

    driver.end()

    assert driver.windows[0][1] == of_frames(42) - 1


def test_a_segment_without_words_uses_no_number() -> None:
    driver = a_driver((1.0, 20), (0.0, 60), (1.0, 20))
    driver.texts = iter(["", "hello"])

    driver.hear(of_frames(200))

    assert [(final.segment, final.text) for final in driver.of(TranscriptFinal)] == [(0, "hello")]


def test_a_partial_needs_some_speech_first_and_comes_with_its_segment() -> None:
    driver = a_driver((1.0, 200))
    driver.hear(to_samples(300))
    wishes = [driver.stream.wants_partial]
    driver.hear(to_samples(700))
    wishes.append(driver.stream.wants_partial)

    driver.stream.window()
    driver.stream.update(heard("hel"))
    driver.collect()
    wishes.append(driver.stream.wants_partial)

    (partial,) = driver.of(TranscriptUpdated)
    assert (partial.segment, partial.start_ms, partial.text) == (0, 0, "hel")
    assert wishes == [False, True, False]


def test_a_listener_who_wants_no_partials_gets_no_step_for_them() -> None:
    driver = a_driver((1.0, 200), interim=False)

    driver.hear(to_samples(3_000))

    assert not driver.stream.wants_partial


def test_a_change_counts_from_the_next_segment_on() -> None:
    driver = a_driver((1.0, 20), (0.0, 60), (1.0, 20), languages=("en",), hotwords=("Hark",))
    driver.push(of_frames(10))
    driver.judge()

    driver.stream.configure(ConfigureStream(stream=7, languages=("de",), hotwords=("Horch",)))
    driver.push(of_frames(60))
    driver.judge()
    before = driver.stream.hotwords
    _audio, languages_before = driver.stream.window()
    driver.stream.complete(heard())
    driver.push(of_frames(100))
    driver.judge()
    after = driver.stream.hotwords
    _audio, languages_after = driver.stream.window()

    assert (languages_before, languages_after) == (("en",), ("de",))
    assert (before, after) == (("Hark",), ("Horch",))


def test_a_stream_goes_on_at_its_checkpoint() -> None:
    checkpoint = Checkpoint(transcribed_samples=to_samples(1_000), silence_samples=to_samples(500), next_segment=3)
    stream = Stream(7, "fake", StreamOptions(encoding="pcm_f32le"), checkpoint, gate=open_gate())
    driver = Driver(stream, frames([(1.0, 20)]))

    driver.hear(of_frames(60))
    done = driver.end()

    (final,) = driver.of(TranscriptFinal)
    assert (final.segment, final.start_ms) == (3, 1_500)
    assert done.checkpoint.settled_samples == to_samples(1_500) + of_frames(60)
    assert done.checkpoint.next_segment == 4


@pytest.mark.parametrize("piece_samples", [1, 3_200, 16_000, 40_000])
@pytest.mark.parametrize("has_16_bits", [True, False])
def test_audio_is_read_as_it_came_whatever_was_dropped_before(piece_samples: int, has_16_bits: bool) -> None:
    audio = np.random.default_rng(0).integers(-32_768, 32_768, 6 * piece_samples).astype(np.float32) / 32_768
    buffer = AudioBuffer(7, has_16_bits=has_16_bits)
    read = []
    for start in range(0, len(audio), piece_samples):
        buffer.append(audio[start : start + piece_samples])
        read.append(buffer.read(buffer.end - piece_samples, buffer.end))
        buffer.drop_before(buffer.end - piece_samples // 2)

    np.testing.assert_array_equal(np.concatenate(read), audio)


def test_a_quiet_stream_keeps_no_more_memory_than_it_needs() -> None:
    quiet = np.zeros(to_samples(1_000), dtype=np.float32)
    buffer = AudioBuffer(0, has_16_bits=True)
    for _ in range(10):
        buffer.append(quiet)
        buffer.drop_before(buffer.end - to_samples(2_700))

    assert buffer.num_bytes <= 2 * to_samples(2_700 + 750)


def test_reading_dropped_audio_is_a_fault() -> None:
    buffer = AudioBuffer(100)
    buffer.append(np.arange(10, dtype=np.float32))
    buffer.drop_before(105)

    assert buffer.read(105, 107).tolist() == [5.0, 6.0]
    with pytest.raises(AssertionError):
        buffer.read(104, 107)


@dataclass(frozen=True)
class Script:
    """chunks: samples of each push; 0 is a finalize. runs: what the detector will say. lazy: steps that are put off."""

    chunks: list[int]
    runs: list[Run]
    texts: list[str]
    lazy: list[bool]
    max_segment_ms: int


scripts = st.builds(
    Script,
    chunks=st.lists(st.one_of(st.just(0), st.integers(1, 40_000), st.integers(1, 1_200)), max_size=12),
    runs=st.lists(st.tuples(st.sampled_from([0.0, 0.4, 1.0]), st.integers(1, 60)), max_size=12),
    texts=st.lists(st.sampled_from(["", "hello"]), max_size=6),
    lazy=st.lists(st.booleans(), max_size=12),
    max_segment_ms=st.sampled_from([3_000, 15_000]),
)


@settings(deadline=None)
@given(scripts)
@example(Script([16_100, 0, 16_000], [(1.0, 60)], [], [], 15_000))
@example(Script([16_100, 0, 0, 100, 0], [(1.0, 60)], [], [True] * 5, 15_000))
@example(Script([8_128, 40_000], [(0.0, 19), (1.0, 60)], [], [], 3_000))
def test_every_sample_is_accounted_for_once_whatever_comes(script: Script) -> None:
    driver = a_driver(*script.runs, max_segment_ms=script.max_segment_ms)
    driver.texts = chain(script.texts, repeat("hello"))
    for num_samples, is_lazy in zip(script.chunks, chain(script.lazy, repeat(False)), strict=False):
        if num_samples:
            driver.push(num_samples)
        else:
            driver.stream.finalize()
        driver.judge()
        if not is_lazy:
            driver.recognise()

    done = driver.end()

    finals = driver.of(TranscriptFinal)
    assert done.checkpoint.settled_samples == sum(script.chunks)
    assert sum(last + 1 - first for first, last in driver.windows) == done.checkpoint.transcribed_samples
    assert all(before[1] < after[0] for before, after in pairwise(driver.windows))
    assert [final.segment for final in finals] == list(range(len(finals))) == list(range(done.checkpoint.next_segment))
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(finals))
    assert all(0 <= final.start_ms <= final.end_ms <= to_ms(sum(script.chunks)) for final in finals)
    assert sum(final.from_finalize for final in finals) == script.chunks.count(0)


def test_the_account_would_show_a_lost_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: here one sample of every window goes missing on its way in."""
    push = Stream.push
    monkeypatch.setattr(Stream, "push", lambda stream, payload: push(stream, payload[4:]))
    driver = a_driver((1.0, 20))
    driver.push(of_frames(60))

    done = driver.end()

    assert done.checkpoint.settled_samples == driver.num_pushed - 1
