"""Speech probability of 32 ms frames, all streams in one call. The network is Silero VAD; its state is the stream's.

The network listens to the quiet before speech too, and judges a beginning worse without it; so only a stream that has been
silent for a while is left out of the call: a muted microphone costs nothing.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnxruntime

from inference.audio import rms
from inference.errors import WeightsError

CONTEXT_SAMPLES: Final = 64
STATE_SHAPE: Final = (2, 1, 128)
SILENCE_RMS: Final = 1e-4
"""-80 dBFS: a muted microphone, digital silence; no room is that quiet."""
MAX_SILENT_FRAMES: Final = 31
"""How much of a silence the network hears, about a second; then it stands still until it ends."""
LOUD_RMS: Final = 0.001
MODEL_FILE: Final = "silero_vad_16k_op15.onnx"


def _no_state() -> np.ndarray:
    return np.zeros(STATE_SHAPE, dtype=np.float32)


def _no_context() -> np.ndarray:
    return np.zeros(CONTEXT_SAMPLES, dtype=np.float32)


@dataclass(slots=True)
class VadState:
    """Of one stream. recurrent: float32 (2, 1, 128); context: the last 64 samples of the frame before.

    num_silent: frames of silence up to now.
    """

    recurrent: np.ndarray = field(default_factory=_no_state)
    context: np.ndarray = field(default_factory=_no_context)
    num_silent: int = 0

    def must_hear(self, frame: np.ndarray) -> bool:
        """Whether the network has to judge `frame`; counts silence."""
        self.num_silent = self.num_silent + 1 if rms(frame) < SILENCE_RMS else 0
        return self.num_silent <= MAX_SILENT_FRAMES


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
        heard = [index for index, (frame, state) in enumerate(zip(frames, states, strict=True)) if state.must_hear(frame)]
        if heard:
            self._run([frames[index] for index in heard], [states[index] for index in heard], heard, probs)
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
        return [float(rms(frame) >= LOUD_RMS) for frame in frames]
