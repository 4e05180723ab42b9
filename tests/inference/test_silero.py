"""Silero VAD: batches, states and silence, on real speech, and its numbers beside those of the package's own runtime."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from inference.endpointing import FRAME_SAMPLES, START_PROB
from inference.silero import SileroVad
from inference.vad import CONTEXT_SAMPLES, STATE_SHAPE, VadState
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


def judged_by_the_package(audio: np.ndarray) -> list[float]:
    spec = importlib.util.find_spec("silero_vad")
    assert spec is not None
    assert spec.origin is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    file = Path(spec.origin).parent / "data" / "silero_vad_16k_op15.onnx"
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    state, probs = np.zeros(STATE_SHAPE, dtype=np.float32), []
    for frame in frames_of(audio):
        output, state = session.run(None, {"input": frame[None], "state": state, "sr": np.array(16_000)})
        probs.append(float(output[0, 0]))
    return probs


def test_it_says_what_the_package_says(vad: SileroVad) -> None:
    for clip in clips()[1:3]:
        np.testing.assert_allclose(judged_alone(vad, clip.audio), judged_by_the_package(clip.audio), atol=1e-5)


def test_more_streams_than_go_into_one_call_are_judged_all(vad: SileroVad) -> None:
    audios = [np.roll(clips()[1].audio, 997 * number) for number in range(70)]
    frames = [next(frames_of(audio)) for audio in audios]

    together = vad.probabilities(frames, [VadState() for _ in frames])

    np.testing.assert_allclose(together, [vad.probabilities([frame], [VadState()])[0] for frame in frames], atol=1e-5)


def test_a_state_holds_no_other_stream_of_its_batch_in_memory(vad: SileroVad) -> None:
    states = [VadState() for _ in range(64)]

    vad.probabilities([np.zeros(CONTEXT_SAMPLES + FRAME_SAMPLES, dtype=np.float32)] * 64, states)

    assert all(state.recurrent.base is None for state in states)
