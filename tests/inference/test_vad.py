"""Silero VAD: batches, states and silence, on real speech."""

from collections.abc import Iterator

import numpy as np
import pytest

from inference.endpointing import FRAME_SAMPLES, START_PROB
from inference.vad import CONTEXT_SAMPLES, LevelVad, SileroVad, VadState
from tests.speech import clips

FRAMES = 60


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


def frames_of(audio: np.ndarray) -> Iterator[np.ndarray]:
    """With the samples before each."""
    padded = np.pad(audio, (CONTEXT_SAMPLES, 0))
    for start in range(0, FRAMES * FRAME_SAMPLES, FRAME_SAMPLES):
        yield padded[start : start + CONTEXT_SAMPLES + FRAME_SAMPLES]


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


def test_a_run_of_frames_in_one_call_says_what_frame_by_frame_would(vad: SileroVad) -> None:
    audio = clips()[1].audio
    frames, state = np.stack(list(frames_of(audio))), VadState()

    found = [*vad.run_probabilities(frames[:40], state), *vad.run_probabilities(frames[40:], state)]

    np.testing.assert_allclose(found, judged_alone(vad, audio), atol=1e-5)
    assert not np.allclose(vad.run_probabilities(frames[40:], VadState()), found[40:], atol=1e-2), "the state matters"


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


def test_the_level_detector_hears_what_is_loud() -> None:
    num_samples = CONTEXT_SAMPLES + FRAME_SAMPLES
    loud, quiet = np.full(num_samples, 0.1, dtype=np.float32), np.zeros(num_samples, dtype=np.float32)

    assert LevelVad().probabilities([loud, quiet], [VadState(), VadState()]) == [1.0, 0.0]


def test_a_state_holds_no_other_stream_of_its_batch_in_memory(vad: SileroVad) -> None:
    states = [VadState() for _ in range(64)]

    vad.probabilities([np.zeros(CONTEXT_SAMPLES + FRAME_SAMPLES, dtype=np.float32)] * 64, states)

    assert all(state.recurrent.base is None for state in states)
