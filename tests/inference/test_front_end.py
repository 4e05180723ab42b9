"""A stream from its first byte to the voice activity network: gate and denoiser in their places, on real speech."""

from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.noise import noises, with_noise
from benchmarks.speech import clips as recorded_clips
from inference.audio import SAMPLE_RATE_HZ, to_samples
from inference.denoise import Denoiser
from inference.endpointing import FRAME_MS, FRAME_SAMPLES
from inference.gate import EnergyGate
from inference.messages import Checkpoint, SpeechStarted, StreamDone, StreamOptions, StreamProgress, Timings, TranscriptFinal
from inference.silero import SileroVad
from inference.stream import Heard, Stream
from inference.vad import CONTEXT_SAMPLES, LevelVad, SpeechDetector
from tests.speech import clips

CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10
HEARD = Heard("hello", "", "en", 0.9, (), "fake", Timings(queue_ms=0.0, infer_ms=0.0))


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


def a_stream(*, gated: bool = True, **options: object) -> Stream:
    gate = EnergyGate() if gated else EnergyGate(near_db=-inf, margin_db=-inf)
    return Stream(0, "fake", StreamOptions(encoding="pcm_f32le", **options), gate=gate)  # type: ignore[arg-type]


class Room:
    """Streams that are heard together. `judged`: how many frames of each the network heard."""

    def __init__(self, detector: SpeechDetector, streams: Sequence[Stream]) -> None:
        self.detector = detector
        self.streams = streams
        self.judged = [0] * len(streams)
        self.windows: list[np.ndarray] = []

    def hear(self, audios: Sequence[np.ndarray]) -> None:
        for start in range(0, max(map(len, audios)), CHUNK_SAMPLES):
            for stream, audio in zip(self.streams, audios, strict=True):
                if start < len(audio):
                    stream.push(audio[start : start + CHUNK_SAMPLES].tobytes())
            self.settle()

    def settle(self) -> None:
        while waiting := [number for number, stream in enumerate(self.streams) if stream.has_frame()]:
            chosen = [self.streams[number] for number in waiting]
            found = self.detector.judge([stream.next_frames(1) for stream in chosen], [stream.vad for stream in chosen])
            for number, judged in zip(waiting, found, strict=True):
                self.judged[number] += 1
                self.streams[number].judge(*judged.probs)
                judged.move(self.streams[number].vad, 1)
        for stream in self.streams:
            stream.settle()
            while stream.wants_final:
                self.windows.append(stream.window()[0].copy())
                stream.complete(HEARD)
                stream.settle()

    def end(self) -> None:
        for stream in self.streams:
            stream.end()
        self.settle()

    def begins_ms(self) -> list[list[int]]:
        return [[event.at_ms for event in stream.events if isinstance(event, SpeechStarted)] for stream in self.streams]


def begins_ms(vad: SileroVad, audios: Sequence[np.ndarray], *, gated: bool) -> list[list[int]]:
    room = Room(vad, [a_stream(gated=gated) for _ in audios])
    room.hear(audios)
    room.end()
    return room.begins_ms()


def after_quiet(audio: np.ndarray, seconds: float = 5.0) -> np.ndarray:
    return np.pad(audio, (int(seconds * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ))


def beeps(*, num_quiet: int, num_loud: int) -> np.ndarray:
    """Quiet frames, then loud ones."""
    return np.repeat(np.array([0.0, 0.1], dtype=np.float32), np.array([num_quiet, num_loud]) * FRAME_SAMPLES)


def test_speech_after_a_long_quiet_begins_where_it_does_without_the_gate(vad: SileroVad) -> None:
    audios = [after_quiet(clip.audio) for clip in clips()]

    gated, everything = begins_ms(vad, audios, gated=True), begins_ms(vad, audios, gated=False)

    for found, wanted in zip(gated, everything, strict=True):
        assert np.abs(np.subtract(found, wanted)).max() <= FRAME_MS


def test_speech_at_the_first_sample_begins_where_it_does_without_the_gate(vad: SileroVad) -> None:
    audios = [clip.audio for clip in clips()]

    assert begins_ms(vad, audios, gated=True) == begins_ms(vad, audios, gated=False)


def test_a_gate_that_forgets_the_quiet_before_would_show(vad: SileroVad, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail: here the network hears nothing of what came before the gate opened."""
    audios = [after_quiet(clip.audio) for clip in clips()]
    everything = begins_ms(vad, audios, gated=False)

    monkeypatch.setattr("inference.gate.LOOKBACK_FRAMES", 0)

    assert begins_ms(vad, audios, gated=True) != everything


@pytest.mark.speech
def test_no_beginning_is_lost_in_noise(vad: SileroVad, speech_dir: Path) -> None:
    """A tenth of all recordings; `benchmarks.gate` takes all. Earlier by some frames is allowed, later is not."""
    recorded = noises(speech_dir)
    names = ["air-conditioner", "running-tap", "vacuum-cleaner", "city-ambience"]
    chosen = [clip for clip in recorded_clips(speech_dir) if clip.seconds < 15][::10]
    audios = [
        with_noise(clip.audio(), recorded[names[number % 4]], 10.0 + 10 * (number % 2), clip.name, before_s=6.0)
        for number, clip in enumerate(chosen)
    ]

    gated, everything = begins_ms(vad, audios, gated=True), begins_ms(vad, audios, gated=False)

    wanted = [(number, at_ms) for number, begins in enumerate(everything) for at_ms in begins if at_ms > 5_800]
    same = [any(abs(found - at_ms) <= FRAME_MS for found in gated[number]) for number, at_ms in wanted]
    late = [
        (chosen[number].name, at_ms)
        for number, at_ms in wanted
        if not any(at_ms - 2_000 < found <= at_ms + FRAME_MS for found in gated[number])
    ]
    assert len(wanted) >= len(chosen)
    assert late == []
    assert np.mean(same) > 0.85


@pytest.mark.parametrize("level", [0.0, 0.0005, 0.05])
def test_quiet_and_steady_noise_cost_next_to_nothing(level: float) -> None:
    hiss = np.random.default_rng(3).standard_normal(60 * SAMPLE_RATE_HZ, dtype=np.float32) * np.float32(level)
    room = Room(LevelVad(), [a_stream()])

    room.hear([hiss if level < 0.01 else hiss.clip(-0.0009, 0.0009)])

    assert room.judged[0] < 70


def test_what_waits_at_the_gate_is_judged_the_moment_that_something_is_loud() -> None:
    room = Room(LevelVad(), [a_stream()])

    room.hear([beeps(num_quiet=300, num_loud=5)])

    assert room.begins_ms() == [[300 * FRAME_MS]]


def test_a_quiet_stream_is_not_behind_although_it_waits() -> None:
    room = Room(LevelVad(), [a_stream()])

    room.hear([beeps(num_quiet=300, num_loud=0)])

    assert room.streams[0].behind_ms < FRAME_MS


def test_a_quiet_stream_keeps_little_audio() -> None:
    room = Room(LevelVad(), [a_stream()])

    room.hear([beeps(num_quiet=2_000, num_loud=0)])

    buffer = room.streams[0].buffer
    assert buffer.end - buffer.first < to_samples(3_200)


def test_a_frame_comes_with_the_samples_before_it_also_after_skipped_ones() -> None:
    audio = np.arange(400 * FRAME_SAMPLES, dtype=np.float32) * 1e-7
    audio[:FRAME_SAMPLES] += 0.1
    audio[390 * FRAME_SAMPLES :] += 0.1
    stream = a_stream()
    stream.push(audio.tobytes())
    frames = []
    while stream.has_frame():
        frames.append(stream.next_frames(1)[0].copy())
        stream.judge(0.0)

    assert (frames[0][:CONTEXT_SAMPLES] == 0).all()
    for frame in frames[1:]:
        first = int(np.flatnonzero(audio == frame[0])[0])
        np.testing.assert_array_equal(frame, audio[first : first + CONTEXT_SAMPLES + FRAME_SAMPLES])


pieces = st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.1]), st.integers(0, 40_000), st.booleans()), max_size=8)


@settings(deadline=None, max_examples=60)
@given(pieces, st.booleans())
def test_every_sample_is_accounted_for_once_behind_the_gate_and_the_denoiser(
    script: list[tuple[float, int, bool]], is_denoised: bool
) -> None:
    room = Room(LevelVad(), [a_stream(denoise=is_denoised)])
    for level, num_samples, finalizes in script:
        room.hear([np.full(num_samples, level, dtype=np.float32)])
        if finalizes:
            room.streams[0].finalize()
            room.settle()

    room.end()

    stream = room.streams[0]
    num_samples = sum(count for _level, count, _finalizes in script)
    finals = [event for event in stream.events if isinstance(event, TranscriptFinal)]
    assert isinstance(stream.events[-1], StreamDone)
    assert stream.checkpoint.settled_samples == num_samples
    assert sum(map(len, room.windows)) == stream.checkpoint.transcribed_samples
    assert sum(final.from_finalize for final in finals) == sum(finalizes for *_audio, finalizes in script)


def test_a_finalize_has_the_tail_that_the_denoiser_held_back(vad: SileroVad) -> None:
    audio = clips()[1].audio
    room = Room(vad, [a_stream(denoise=True)])
    room.hear([audio])
    held_back = len(audio) - room.streams[0].buffer.end

    room.streams[0].finalize()

    assert held_back > 0
    assert room.streams[0].buffer.end == len(audio)


def test_a_denoised_stream_hears_what_rnnoise_made_of_it(vad: SileroVad) -> None:
    audio = clips()[0].audio
    room = Room(vad, [a_stream(denoise=True), a_stream()])
    room.hear([audio, audio])
    denoiser = Denoiser()

    cleaned = np.concatenate([denoiser.push(audio), denoiser.catch_up()])

    for stream, wanted in zip(room.streams, [cleaned, audio], strict=True):
        kept = stream.buffer.read(stream.buffer.first, stream.buffer.end)
        np.testing.assert_allclose(kept, wanted[stream.buffer.first : stream.buffer.end], atol=1e-5)


def test_a_stream_without_the_library_is_heard_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.denoise.is_available", lambda: False)

    stream = a_stream(denoise=True)

    assert not stream.is_denoised
    stream.push(np.ones(1_600, dtype="<f4").tobytes())
    assert stream.buffer.end == 1_600


# In the quiet


def told(stream: Stream) -> list[StreamProgress]:
    return [event for event in stream.events if isinstance(event, StreamProgress)]


def test_that_it_is_quiet_is_told_at_once_and_again_after_something_loud() -> None:
    room = Room(LevelVad(), [a_stream()])
    (stream,) = room.streams

    room.hear([beeps(num_quiet=7, num_loud=0)])
    assert [progress.floor_db is not None for progress in told(stream)] == [True]

    stream.events.clear()
    room.hear([beeps(num_quiet=0, num_loud=10)])
    assert told(stream) == [], "while something is loud, all is to come"
    room.hear([beeps(num_quiet=40, num_loud=0)])
    assert told(stream)[-1].floor_db is not None


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_quiet_that_does_not_come_moves_the_stream_on_and_is_silence(rate_hz: int) -> None:
    stream = a_stream(sample_rate_hz=rate_hz)
    stream.push(np.zeros(rate_hz, dtype=np.float32).tobytes())
    stream.events.clear()

    stream.pass_over(3_600 * rate_hz, -60.0)
    assert len(stream.buffer.read(stream.buffer.first, stream.buffer.end)) < FRAME_SAMPLES
    stream.push(np.zeros(rate_hz, dtype=np.float32).tobytes())
    stream.end()
    stream.settle()

    (done,) = [event for event in stream.events if isinstance(event, StreamDone)]
    assert done.checkpoint == Checkpoint(silence_samples=3_602 * SAMPLE_RATE_HZ)


def test_words_after_quiet_that_did_not_come_stand_where_they_were_said(vad: SileroVad) -> None:
    audio = clips()[1].audio
    whole, skipped = a_stream(), a_stream()
    for stream in (whole, skipped):
        stream.push(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32).tobytes())
    whole.push(np.zeros(60 * SAMPLE_RATE_HZ, dtype=np.float32).tobytes())
    skipped.pass_over(57 * SAMPLE_RATE_HZ, -60.0)
    skipped.push(np.zeros(3 * SAMPLE_RATE_HZ, dtype=np.float32).tobytes())

    room = Room(vad, [whole, skipped])
    room.hear([np.pad(audio, (0, SAMPLE_RATE_HZ))] * 2)

    begins = room.begins_ms()
    assert begins[0] == begins[1]
    assert begins[0][0] > 61_000


def test_quiet_that_does_not_come_while_somebody_speaks_is_silence_for_all_that() -> None:
    room = Room(LevelVad(), [a_stream()])
    (stream,) = room.streams
    room.hear([beeps(num_quiet=70, num_loud=30)])

    stream.pass_over(10 * SAMPLE_RATE_HZ, -60.0)
    room.settle()
    room.end()

    assert len(room.windows) == 1
    (done,) = [event for event in stream.events if isinstance(event, StreamDone)]
    assert done.checkpoint.settled_samples == 100 * FRAME_SAMPLES + 10 * SAMPLE_RATE_HZ
    assert done.checkpoint.gap_samples == 0
