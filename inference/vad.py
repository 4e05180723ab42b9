"""Speech probability of 32 ms frames, all streams in one call. The network is Silero VAD; its state is the stream's.

A frame without a signal worth hearing is not shown to the network: thousands of quiet microphones then cost nothing, and
a far-away conversation at the level of a microphone's own noise is not written down.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnxruntime

from inference.endpointing import FRAME_SAMPLES
from inference.errors import WeightsError

CONTEXT_SAMPLES: Final = 64
STATE_SHAPE: Final = (2, 1, 128)
GATE_RMS: Final = 0.001
"""-60 dBFS. Speech into a microphone begins louder; while it goes on, every frame is shown to the network."""
MODEL_FILE: Final = "silero_vad_16k_op15.onnx"


def _no_state() -> np.ndarray:
    return np.zeros(STATE_SHAPE, dtype=np.float32)


def _no_context() -> np.ndarray:
    return np.zeros(CONTEXT_SAMPLES, dtype=np.float32)


@dataclass(slots=True)
class VadState:
    """Of one stream. recurrent: float32 (2, 1, 128); context: the last 64 samples of the frame before.

    `is_speaking` is set by the stream: speech goes on, so a quiet frame is a pause in it.
    """

    recurrent: np.ndarray = field(default_factory=_no_state)
    context: np.ndarray = field(default_factory=_no_context)
    is_speaking: bool = False


def is_audible(frame: np.ndarray) -> bool:
    """Whether `frame`, float32 (512,), is louder than GATE_RMS."""
    return float(np.dot(frame, frame)) >= GATE_RMS**2 * FRAME_SAMPLES


class SpeechDetector(Protocol):
    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        """Speech probability of one frame of each stream; the states move on.

        Args:
            frames: float32 (512,) each, mono, 16 kHz, in [-1, 1].
        """


class SileroVad:
    """Silero VAD 6 in ONNX Runtime on one thread. Belongs to the thread that runs the models."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("silero_vad")
        path = Path(spec.origin).parent / "data" / MODEL_FILE if spec is not None and spec.origin else None
        if path is None or not path.is_file():
            raise WeightsError("The voice activity model is missing. Run `make reinstall` (package silero-vad).")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(16_000, dtype=np.int64)

    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        probs = [0.0] * len(frames)
        loud = [index for index, frame in enumerate(frames) if states[index].is_speaking or is_audible(frame)]
        for index in set(range(len(frames))) - set(loud):
            states[index].recurrent = _no_state()
            states[index].context = frames[index][-CONTEXT_SAMPLES:]
        if loud:
            self._run([frames[index] for index in loud], [states[index] for index in loud], loud, probs)
        return probs

    def _run(self, frames: list[np.ndarray], states: list[VadState], places: list[int], probs: list[float]) -> None:
        audio = np.stack([np.concatenate([state.context, frame]) for state, frame in zip(states, frames, strict=True)])
        recurrent = np.concatenate([state.recurrent for state in states], axis=1)
        output, moved = self._session.run(None, {"input": audio, "state": recurrent, "sr": self._rate})
        for row, (place, state) in enumerate(zip(places, states, strict=True)):
            probs[place] = float(output[row, 0])
            state.recurrent = moved[:, row : row + 1]
            state.context = audio[row, -CONTEXT_SAMPLES:]


class LevelVad:
    """Speech is whatever is loud. For the scripted engine, whose speech is a code and no voice."""

    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        return [float(is_audible(frame)) for frame in frames]
