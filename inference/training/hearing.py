"""Held-out speech through the engine as streams bring it, and its log-probabilities through the decoders of live streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.audio import to_samples
from inference.decoding.artefact import LmFiles
from inference.decoding.decoded import Decoded
from inference.decoding.decoder import open_decoder
from inference.decoding.language_model import LanguageModel
from inference.decoding.tokens import Tokens
from inference.engines.arithmetic import FP32, Arithmetic
from inference.engines.base import Window
from inference.engines.conformer_ctc.engine import DEFAULT_CHUNK_MS, ConformerEngine
from inference.engines.conformer_ctc.state import Utterance
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint
from inference.engines.conformer_ctc.weights.own import OwnFiles
from inference.training.judging import Answer, Trial

PUSH_FRAMES: Final = 5
"""Decoders get so many frames at a time, as of a chunk of 200 ms."""
PACKET_MS: Final = 200


@dataclass(slots=True)
class Line:
    """log_probs: float32 (frames, tokens + blank) of each chunk; num_frames: how many of all belong to the segment."""

    log_probs: list[np.ndarray]
    num_frames: int = 0


class Recorder:
    """Stands for a decoder, and keeps what it would have been told."""

    writes_together = False

    def open(self, _window: Window[Any]) -> Line:
        return Line([])

    def write(self, lines: Sequence[Line], outputs: Sequence[np.ndarray]) -> None:
        for line, log_probs in zip(lines, outputs, strict=True):
            line.log_probs.append(log_probs)

    def partial(self, _line: Line) -> Decoded:
        return Decoded("", "", 0.0, ())

    def finish(self, line: Line, num_frames: int) -> Decoded:
        line.num_frames = num_frames
        return Decoded("", "", 0.0, ())


class ListeningEngine(ConformerEngine):
    """Hears as the real one does, and writes nothing."""

    def open_writer(self, _checkpoint: Checkpoint) -> Recorder:
        return Recorder()


class Ear:
    """A model in a folder, made ready to hear. chunk_ms: the look-ahead that is nearest to it is taken."""

    def __init__(self, folder: Path, arithmetic: Arithmetic = FP32, chunk_ms: float = DEFAULT_CHUNK_MS) -> None:
        self._engine = ListeningEngine(OwnFiles(folder.name, folder), arithmetic, chunk_ms=chunk_ms)
        self._engine.load()
        self.tokens: Final[Tokens] = self._engine.outline.tokens
        self.frame_ms: Final = self._engine.outline.config.frame_ms

    def log_probs(self, audio: np.ndarray) -> np.ndarray:
        """What a stream of it comes to: float32 (frames, tokens + blank). audio: float32 (num_samples,), 16 kHz."""
        state, packet = self._engine.open_stream(), to_samples(PACKET_MS)
        line: Line | None = None
        for start in range(0, len(audio), packet):
            end = min(start + packet, len(audio))
            window: Window[Utterance] = Window(state, audio[start:end], ("en",), is_final=end == len(audio), start=start)
            line = self._step(window, line)
        assert line is not None
        return np.concatenate(line.log_probs)[: line.num_frames]

    def _step(self, window: Window[Utterance], line: Line | None) -> Line:
        """The line is taken before the engine forgets it."""
        if window.state.line is None:
            window.state.line = line = self._engine.writer.open(window)
        self._engine.step([window])
        assert line is not None
        return line


def read_language_model(folder: Path | None) -> LanguageModel | None:
    return None if folder is None else LanguageModel(LmFiles.in_folder(folder))


def answers(trials: Sequence[Trial], heard: Sequence[np.ndarray], ear: Ear, lm: LanguageModel | None) -> list[Answer]:
    """heard: of each trial its log-probabilities. lm: None: the likeliest token of each frame is written."""
    texts = [decoded(log_probs, ear, lm) for log_probs in heard]
    return [Answer(trial.id, trial.domain, trial.reference, text) for trial, text in zip(trials, texts, strict=True)]


def decoded(log_probs: np.ndarray, ear: Ear, lm: LanguageModel | None) -> str:
    decoder = open_decoder(ear.tokens, ear.frame_ms, lm)
    for first in range(0, len(log_probs), PUSH_FRAMES):
        decoder.push(log_probs[first : first + PUSH_FRAMES])
    return decoder.finish().text
