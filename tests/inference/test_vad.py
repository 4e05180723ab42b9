"""Silero VAD: batches, states and silence, on real speech."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inference.endpointing import FRAME_SAMPLES, START_PROB
from inference.vad import MAX_SILENT_FRAMES, SILENCE_RMS, LevelVad, SileroVad, VadState
from tests.speech import clips

FRAMES = 60


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


def frames_of(audio: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, FRAMES * FRAME_SAMPLES, FRAME_SAMPLES):
        yield audio[start : start + FRAME_SAMPLES]


def judged_alone(vad: SileroVad, audio: np.ndarray) -> list[float]:
    state = VadState()
    return [vad.probabilities([frame], [state])[0] for frame in frames_of(audio)]


def judged_together(vad: SileroVad, audios: list[np.ndarray]) -> np.ndarray:
    """Probabilities (streams, frames) when all streams are judged in one call a frame."""
    states = [VadState() for _ in audios]
    rounds = zip(*map(frames_of, audios), strict=True)
    return np.array([vad.probabilities(frames, states) for frames in rounds]).T


def test_speech_is_told_from_silence(vad: SileroVad) -> None:
    probs = judged_alone(vad, clips()[1].audio)

    assert max(probs) > 0.9
    assert min(probs) < START_PROB


def test_a_batch_says_what_each_stream_alone_says(vad: SileroVad) -> None:
    audios = [clip.audio for clip in clips()[1:]]
    audios.append(np.zeros(FRAMES * FRAME_SAMPLES, dtype=np.float32))

    together = judged_together(vad, audios)

    np.testing.assert_allclose(together, [judged_alone(vad, audio) for audio in audios], atol=1e-4)


def test_the_comparison_would_show_a_shared_state(vad: SileroVad) -> None:
    """The check above can fail: here two streams share one state."""
    first, second = clips()[1].audio, clips()[2].audio
    shared = VadState()

    mixed = [
        vad.probabilities([frame], [shared])[0]
        for pair in zip(frames_of(first), frames_of(second), strict=True)
        for frame in pair
    ]

    assert not np.allclose(mixed[::2], judged_alone(vad, first), atol=1e-2)


def test_digital_silence_costs_nothing(vad: SileroVad, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    run = SileroVad._run

    def counting_run(self: SileroVad, frames: list[np.ndarray], *args: Any) -> None:
        calls.append(len(frames))
        run(self, frames, *args)

    monkeypatch.setattr(SileroVad, "_run", counting_run)
    speech, silence = clips()[0].audio[8_000 : 8_000 + FRAME_SAMPLES], np.zeros(FRAME_SAMPLES, dtype=np.float32)

    states = [VadState(), VadState(), VadState()]
    for _ in range(MAX_SILENT_FRAMES):
        vad.probabilities([silence, speech, silence], states)
    calls.clear()

    probs = vad.probabilities([silence, speech, silence], states)
    vad.probabilities([silence], states[:1])

    assert calls == [1]
    assert (probs[0], probs[2]) == (0.0, 0.0)


def test_the_network_hears_the_quiet_before_speech(vad: SileroVad) -> None:
    """A pause below the level of speech is shown to it, frame by frame."""
    whisper = np.full(FRAME_SAMPLES, 2 * SILENCE_RMS, dtype=np.float32)
    state = VadState()

    assert all(state.must_hear(whisper) for _ in range(10 * MAX_SILENT_FRAMES))


def after_silence(vad: SileroVad, num_frames: int, audio: np.ndarray) -> list[float]:
    state = VadState()
    for _ in range(num_frames):
        vad.probabilities([np.zeros(FRAME_SAMPLES, dtype=np.float32)], [state])
    return [vad.probabilities([frame], [state])[0] for frame in frames_of(audio)]


def test_an_hour_of_silence_is_as_a_second_of_it(vad: SileroVad) -> None:
    speech = clips()[1].audio

    np.testing.assert_allclose(after_silence(vad, 3600 * 31, speech), after_silence(vad, MAX_SILENT_FRAMES, speech), atol=1e-4)


def test_the_level_detector_hears_what_is_loud() -> None:
    loud, quiet = np.full(FRAME_SAMPLES, 0.1, dtype=np.float32), np.zeros(FRAME_SAMPLES, dtype=np.float32)

    assert LevelVad().probabilities([loud, quiet], [VadState(), VadState()]) == [1.0, 0.0]
