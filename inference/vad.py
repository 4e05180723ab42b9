"""Speech probability of 32 ms frames, all streams in one call. The network is Silero VAD; its state is the stream's.

The network judges a beginning worse when it did not hear the quiet before it. Which frames it need not hear is for
`inference.gate` to say.
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
LOUD_RMS: Final = 0.001
MAX_BATCH: Final = 64
"""Larger ones are hardly faster, and what the network once needed for its largest it keeps: 15 KiB a frame."""
MODEL_FILE: Final = "silero_vad_16k_op15.onnx"
RUN_MODEL_FILE: Final = "silero_vad_16k_sequence.onnx"
"""The same weights for many frames of one stream: half the time of as many calls, and the same to the last bit."""


def _no_state() -> np.ndarray:
    return np.zeros(STATE_SHAPE, dtype=np.float32)


@dataclass(slots=True)
class VadState:
    """Of one stream. recurrent: float32 (2, 1, 128)."""

    recurrent: np.ndarray = field(default_factory=_no_state)


class SpeechDetector(Protocol):
    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        """Speech probability of one frame of each stream; the states move on.

        Args:
            frames: float32 (576,) each: the 64 samples before the frame and its 512; mono, 16 kHz, in [-1, 1].
        """

    def run_probabilities(self, frames: np.ndarray, state: VadState) -> list[float]:
        """Speech probabilities of frames of one stream, each of which follows the one before; its state moves on.

        Args:
            frames: float32 (num_frames, 576), each as above.
        """


class SileroVad:
    """Silero VAD 6 in ONNX Runtime on one thread. Belongs to the thread that runs the models."""

    def __init__(self) -> None:
        self._across = _session(MODEL_FILE)
        self._along = _session(RUN_MODEL_FILE)
        self._rate = np.array(16_000, dtype=np.int64)

    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        starts = range(0, len(frames), MAX_BATCH)
        return [prob for at in starts for prob in self._run(frames[at : at + MAX_BATCH], states[at : at + MAX_BATCH])]

    def _run(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        recurrent = np.concatenate([state.recurrent for state in states], axis=1)
        output, moved = self._across.run(None, {"input": np.stack(frames), "state": recurrent, "sr": self._rate})
        for row, state in enumerate(states):
            state.recurrent = moved[:, row : row + 1].copy()  # a view would keep the whole batch in memory
        probs: list[float] = output[:, 0].tolist()
        return probs

    def run_probabilities(self, frames: np.ndarray, state: VadState) -> list[float]:
        hidden, cell = state.recurrent[:1], state.recurrent[1:]
        found, hidden, cell = self._along.run(None, {"input": np.ascontiguousarray(frames), "h": hidden, "c": cell})
        state.recurrent = np.concatenate([hidden, cell])
        probs: list[float] = found.tolist()
        return probs


def _session(file: str) -> onnxruntime.InferenceSession:
    spec = importlib.util.find_spec("silero_vad")
    path = Path(spec.origin).parent / "data" / file if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise WeightsError("The voice activity model is missing. Run `make reinstall` (package silero-vad).")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class LevelVad:
    """Speech is whatever is loud. For the scripted engine, whose speech is a code and no voice."""

    def probabilities(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[float]:
        return [float(rms(frame[CONTEXT_SAMPLES:]) >= LOUD_RMS) for frame in frames]

    def run_probabilities(self, frames: np.ndarray, state: VadState) -> list[float]:
        return self.probabilities(list(frames), [state] * len(frames))
