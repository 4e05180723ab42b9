"""Nothing that was said is missing and nothing that was not said appears: real models on the larger speech set.

Short form of the acceptance checks on tails, heads and silence. The recognition loop is stepped by hand, so that minutes
of audio take seconds; test_live_speech plays speech through the whole server at the pace it was spoken.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.accuracy import Streamer, offline
from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip, clips
from inference.audio import SAMPLE_RATE_HZ
from inference.engines import registry
from inference.engines.base import Engine

pytestmark = [pytest.mark.speech, pytest.mark.timeout(600)]

NUM_CLIPS = 30
FRAME_SAMPLES = SAMPLE_RATE_HZ // 50
Heard = Callable[[np.ndarray], list[str]]


@pytest.fixture(scope="module")
def engine() -> Engine[Any]:
    engine = registry.create("whisper-tiny.en", "auto")
    engine.load()
    return engine


@pytest.fixture(scope="module")
def heard(engine: Engine[Any]) -> Heard:
    """Words that a stream of its own makes of float32 audio at 16 kHz. Finals only: that they do not depend on the partials
    before them is a test of its own."""
    streamer = Streamer(engine)
    return lambda audio: units(streamer.stream(audio, ("en",), interim=False).text, by_character=False)


@pytest.fixture(scope="module")
def whole(engine: Engine[Any]) -> Heard:
    """Words that the same weights make of the whole audio at once."""
    return lambda audio: units(offline(engine, audio, "en"), by_character=False)


@pytest.fixture(scope="module")
def chosen(speech_dir: Path) -> list[Clip]:
    """Read speech of many speakers: every third clip."""
    return [clip for clip in clips(speech_dir, {"en"}, {"read"}) if 2 < clip.seconds < 10][::3][:NUM_CLIPS]


def spoken_span(audio: np.ndarray) -> tuple[int, int]:
    """First and last loud sample, to 20 ms: within 35 dB of the loudest frame."""
    frames = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (-35 / 20))
    return int(loud[0]) * FRAME_SAMPLES, int(loud[-1] + 1) * FRAME_SAMPLES


def without_tail(audio: np.ndarray) -> np.ndarray:
    """Cut 40 ms after the last loud sample."""
    return audio[: spoken_span(audio)[1] + 2 * FRAME_SAMPLES]


def without_head(audio: np.ndarray) -> np.ndarray:
    """Speech from the first sample on."""
    return audio[spoken_span(audio)[0] :]


def num_right(place: int, chosen: list[Clip], words: Heard, cut: Callable[[np.ndarray], np.ndarray]) -> int:
    """Clips whose word at `place` (0 first, -1 last) is the one that was spoken there."""
    ends = slice(place, place + 1 or None)
    return sum(words(cut(clip.audio()))[ends] == units(clip.text, by_character=False)[ends] for clip in chosen)


def test_last_words_are_heard_when_the_audio_stops_with_them(chosen: list[Clip], heard: Heard, whole: Heard) -> None:
    live, reference = num_right(-1, chosen, heard, without_tail), num_right(-1, chosen, whole, without_tail)

    assert reference > NUM_CLIPS // 2
    assert live >= reference - 1


def test_first_words_are_heard_at_sample_0_and_after_ten_seconds_of_silence(
    chosen: list[Clip], heard: Heard, engine: Engine[Any]
) -> None:
    whole = lambda audio: units(offline(engine, audio, "en"), by_character=False)  # noqa: E731
    silence = np.zeros(10 * SAMPLE_RATE_HZ, dtype=np.float32)

    reference = num_right(0, chosen, whole, without_head)
    at_once = num_right(0, chosen, heard, without_head)
    after_silence = num_right(0, chosen, heard, lambda audio: np.concatenate([silence, without_head(audio)]))

    assert reference > NUM_CLIPS // 2
    assert min(at_once, after_silence) >= reference - 1


def test_streaming_costs_at_most_one_and_a_half_points_of_word_error(chosen: list[Clip], heard: Heard, whole: Heard) -> None:
    live, reference = ErrorRate(), ErrorRate()
    for clip in chosen:
        wanted = units(clip.text, by_character=False)
        live.add(wanted, heard(clip.audio()))
        reference.add(wanted, whole(clip.audio()))

    assert reference.percent < 12
    assert live.percent <= reference.percent + 1.5


def test_finals_are_the_same_with_and_without_partials_before_them(chosen: list[Clip], engine: Engine[Any]) -> None:
    streamer = Streamer(engine)
    for clip in chosen[:4]:
        with_partials = streamer.stream(clip.audio(), ("en",), interim=True)
        assert with_partials.partials
        assert with_partials.num_broken_promises == 0
        assert with_partials.text == streamer.stream(clip.audio(), ("en",), interim=False).text


def test_five_minutes_of_digital_silence_hold_no_word(engine: Engine[Any]) -> None:
    streamed = Streamer(engine).stream(np.zeros(300 * SAMPLE_RATE_HZ, dtype=np.float32), ("en",), interim=True)

    assert streamed.finals == []
    assert streamed.partials == []
    assert streamed.num_samples == 300 * SAMPLE_RATE_HZ


def test_background_noise_at_the_level_of_a_room_holds_no_word(speech_dir: Path, engine: Engine[Any]) -> None:
    """-60 dBFS, 30 s of every recording: fans, keyboards, kitchens, cafés, a neighbour's talk."""
    words = {}
    for path in sorted((speech_dir / "noise").glob("*.flac")):
        noise = soundfile.read(path, dtype="float32")[0][: 30 * SAMPLE_RATE_HZ]
        quiet = noise * (10 ** (-60 / 20) / np.sqrt(np.mean(np.square(noise))))
        words[path.stem] = "" if path.stem.startswith("rir-") else Streamer(engine).stream(quiet, ("en",), interim=True).text

    assert len(words) > 20
    assert {name: text for name, text in words.items() if text} == {}


def test_the_noise_check_can_fail(chosen: list[Clip], engine: Engine[Any]) -> None:
    """Speech at the level of speech is heard by the same means."""
    assert Streamer(engine).stream(chosen[0].audio(), ("en",), interim=True).text
