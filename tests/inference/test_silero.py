"""Silero VAD: batches, states and silence, on real speech, and its numbers beside those of the package's own runtime."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from inference.endpointing import FRAME_SAMPLES, START_PROB
from inference.silero import SileroVad, laid_out
from inference.vad import CONTEXT_SAMPLES, VadState
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


def probabilities(vad: SileroVad, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
    """Of one frame of each stream; the states move on."""
    found = vad.judge([frame[None] for frame in frames], states)
    for judged, state in zip(found, states, strict=True):
        judged.move(state, 1)
    return [prob for judged in found for prob in judged.probs]


def judged_alone(vad: SileroVad, audio: np.ndarray) -> list[float]:
    state = VadState()
    return [probabilities(vad, [frame], [state])[0] for frame in frames_of(audio)]


def judged_together(vad: SileroVad, audios: list[np.ndarray]) -> np.ndarray:
    """Probabilities (streams, frames) when all streams are judged in one call a frame."""
    states = [VadState() for _ in audios]
    rounds = zip(*map(frames_of, audios), strict=True)
    return np.array([probabilities(vad, frames, states) for frames in rounds]).T


def test_speech_is_told_from_silence(vad: SileroVad) -> None:
    probs = judged_alone(vad, clips()[1].audio)

    assert max(probs) > 0.9
    assert min(probs) < START_PROB


def test_a_batch_says_what_each_stream_alone_says(vad: SileroVad) -> None:
    audios = [clip.audio for clip in clips()[1:]]
    audios.append(np.zeros(FRAMES * FRAME_SAMPLES, dtype=np.float32))

    together = judged_together(vad, audios)

    np.testing.assert_allclose(together, [judged_alone(vad, audio) for audio in audios], atol=1e-4)


def test_many_frames_of_streams_in_one_call_say_what_frame_by_frame_would(vad: SileroVad) -> None:
    """Each brings another number of them, and goes on from where as many of the last ones as count have led."""
    audios = [clip.audio for clip in clips()[1:4]]
    frames, states = [np.stack(list(frames_of(audio))) for audio in audios], [VadState() for _ in audios]
    found: list[list[float]] = [[] for _ in audios]
    dice, at = np.random.default_rng(0), [0] * len(audios)
    while any(first < FRAMES for first in at):
        going = [number for number, first in enumerate(at) if first < FRAMES]
        runs = [frames[number][at[number] : at[number] + dice.integers(1, 9)] for number in going]
        for number, judged in zip(going, vad.judge(runs, [states[number] for number in going]), strict=True):
            num_wanted = int(dice.integers(0, len(judged.probs) + 1))
            judged.move(states[number], num_wanted)
            found[number] += judged.probs[:num_wanted]
            at[number] += num_wanted

    np.testing.assert_allclose(found, [judged_alone(vad, audio) for audio in audios], atol=1e-5)


def test_the_state_matters(vad: SileroVad) -> None:
    frames = np.stack(list(frames_of(clips()[1].audio)))

    (whole,) = vad.judge([frames], [VadState()])
    (second_half,) = vad.judge([frames[40:]], [VadState()])

    assert not np.allclose(second_half.probs, whole.probs[40:], atol=1e-2)


@pytest.mark.parametrize("num_frames", [[1], [3, 1, 3], [1, 2, 3, 4], [7, 7]])
def test_frames_that_can_be_judged_at_once_lie_together(num_frames: list[int]) -> None:
    places, num_streams = laid_out(num_frames)

    assert [len(place) for place in places] == num_frames
    assert sorted(np.concatenate(places)) == list(range(sum(num_frames)))
    assert num_streams == [sum(num > moment for num in num_frames) for moment in range(max(num_frames))]
    for moment, first in enumerate(np.cumsum(num_streams) - num_streams):
        ranks = {stream: place[moment] - first for stream, place in enumerate(places) if len(place) > moment}
        assert sorted(ranks.values()) == list(range(num_streams[moment]))
        assert ranks == {stream: places[stream][0] for stream in ranks}, "a stream keeps its rank"


def test_without_streams_nothing_is_judged(vad: SileroVad) -> None:
    assert vad.judge([], []) == []


def test_the_comparison_would_show_a_shared_state(vad: SileroVad) -> None:
    """The check above can fail: here two streams share one state."""
    first, second = clips()[1].audio, clips()[2].audio
    shared = VadState()

    mixed = [
        probabilities(vad, [frame], [shared])[0]
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
    state, probs = np.zeros((2, 1, 128), dtype=np.float32), []
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

    together = probabilities(vad, frames, [VadState() for _ in frames])

    np.testing.assert_allclose(together, [probabilities(vad, [frame], [VadState()])[0] for frame in frames], atol=1e-5)


def test_a_state_holds_no_other_stream_of_its_batch_in_memory(vad: SileroVad) -> None:
    states = [VadState() for _ in range(64)]

    probabilities(vad, [np.zeros(CONTEXT_SAMPLES + FRAME_SAMPLES, dtype=np.float32)] * 64, states)

    assert all(state.recurrent.base is None for state in states)
