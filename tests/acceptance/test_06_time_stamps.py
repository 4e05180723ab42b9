"""Check 6: words stand where they were said, after ten minutes as after one, and every sample is accounted for."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import soxr

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.fake import PAUSE_SAMPLES, VOCABULARY, WORD_SAMPLES, FakeEngine, speak
from inference.messages import StreamDone, TimedWord
from inference.stream import Stream
from tests.acceptance.rig import Rig, Transcript

NUM_PAUSES = 60
LENGTH_S = 600
MAX_ERROR_MS = 200
MAX_SLOPE_MS_PER_HOUR = 20
ROUNDING_SAMPLES = 32


@dataclass(frozen=True)
class Script:
    """audio: float32 at `rate_hz`, ten minutes with 60 pauses. spoken: each word and the time at which it begins, in ms."""

    audio: np.ndarray
    rate_hz: int
    spoken: list[tuple[str, float]]


def script(rate_hz: int = SAMPLE_RATE_HZ) -> Script:
    """Words at known places. The quiet ones only: resampling makes the loud ones ring as loud as those."""
    random = Random(6)
    audio = np.zeros(LENGTH_S * SAMPLE_RATE_HZ, dtype=np.float32)
    spoken = []
    sentence_samples = len(audio) // NUM_PAUSES
    for sentence in range(NUM_PAUSES):
        words = random.choices(VOCABULARY[:4], k=random.randint(3, 15))
        place = sentence * sentence_samples + random.randint(0, SAMPLE_RATE_HZ)
        spoken += [(word, (place + n * (WORD_SAMPLES + PAUSE_SAMPLES)) * 1000 / SAMPLE_RATE_HZ) for n, word in enumerate(words)]
        voice = speak(" ".join(words))
        audio[place : place + len(voice)] = voice
    return Script(soxr.resample(audio, SAMPLE_RATE_HZ, rate_hz), rate_hz, spoken)


def assert_times_are_true(transcript: Transcript, script: Script) -> None:
    """Every word is heard, where it was said; times only grow; speech and silence make the whole."""
    words = [word for final in transcript.finals for word in final.words]
    assert [word.text for word in words] == [word for word, _start_ms in script.spoken]
    starts_ms = np.array([start_ms for _word, start_ms in script.spoken])
    errors_ms = np.array([word.start_ms for word in words]) - starts_ms
    assert np.percentile(np.abs(errors_ms), 95) <= MAX_ERROR_MS
    assert abs(np.polyfit(starts_ms / 3_600_000, errors_ms, 1)[0]) <= MAX_SLOPE_MS_PER_HOUR
    assert_ordered(words, LENGTH_S * 1000)
    (done,) = transcript.of(StreamDone)
    assert abs(done.checkpoint.settled_samples - LENGTH_S * SAMPLE_RATE_HZ) <= (
        0 if script.rate_hz == 16_000 else ROUNDING_SAMPLES
    )


def assert_ordered(words: list[TimedWord], length_ms: int) -> None:
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(words))
    assert words[0].start_ms >= 0
    assert words[-1].end_ms <= length_ms


@pytest.mark.parametrize(("rate_hz", "frame_ms"), [(16_000, 1_000), (16_000, 10), (44_100, 100)])
def test_words_of_ten_minutes_stand_where_they_were_said(rate_hz: int, frame_ms: int) -> None:
    said = script(rate_hz)

    transcript = Rig(FakeEngine()).hear(said.audio, frame_ms=frame_ms, sample_rate_hz=rate_hz, interim=False)

    assert_times_are_true(transcript, said)


def test_a_clock_that_loses_a_sample_of_every_frame_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    push = Stream.push
    monkeypatch.setattr(Stream, "push", lambda stream, payload: push(stream, payload[4:]))
    said = script()

    transcript = Rig(FakeEngine()).hear(said.audio, frame_ms=100, interim=False)

    assert [word.text for final in transcript.finals for word in final.words] == [word for word, _start_ms in said.spoken]
    with pytest.raises(AssertionError):
        assert_times_are_true(transcript, said)
