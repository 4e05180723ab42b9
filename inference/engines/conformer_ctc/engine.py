"""The streaming Conformer engine: of each window it hears only what is new, a chunk at a time, all streams of a batch together.

What computes a chunk is the runtime's matter, and what text its frames make is the writer's.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from inference.audio import SAMPLE_RATE_HZ, to_samples
from inference.decoding.artefact import LmFiles
from inference.decoding.language_model import LanguageModel
from inference.decoding.lms import LanguageModels
from inference.engines.arithmetic import CPU, Arithmetic
from inference.engines.base import Hypothesis, Window
from inference.engines.conformer_ctc.frontend import StreamingLogMel
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtime import Runtime, TorchRuntime
from inference.engines.conformer_ctc.state import Utterance
from inference.engines.conformer_ctc.step import CtcHead, StreamingEncoder
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint, ConformerFiles
from inference.engines.conformer_ctc.writing import CtcWriter, Writer
from inference.features import LogMelOptions
from inference.messages import ModelInfo

DEFAULT_CHUNK_MS: Final = 200
MAX_ROWS: Final = 64
"""More in one step are hardly faster on a processor, and the others wait for it."""
FLUSH_SAMPLES: Final = to_samples(200)
"""Silence that a final hears behind its last sample: a word is often written a little after its end. Where more than the final
was heard already, what lies behind it is the beginning of the next segment, and is left to that."""
FEW: Final = 4
"""Of so many rows one is few."""
OpenRuntime = Callable[[StreamingEncoder, nn.Module, Arithmetic, torch.device], Runtime]


class ConformerEngine:
    """Args:
    files: where the weights lie.
    arithmetic: the network's; features and log-probabilities are always float32.
    max_batch: rows in a step of the runtime, if that is more than MAX_ROWS.
    chunk_ms: what is wished for; the network's nearest choice is taken.
    open_runtime: what computes the steps.
    language_models: that streams may ask for; None: there are none but the model's own.
    """

    def __init__(
        self,
        files: ConformerFiles,
        arithmetic: Arithmetic,
        *,
        device: torch.device = CPU,
        max_batch: int = MAX_ROWS,
        chunk_ms: float = DEFAULT_CHUNK_MS,
        open_runtime: OpenRuntime = TorchRuntime,
        language_models: LanguageModels | None = None,
    ) -> None:
        self.language_models = language_models or LanguageModels(None)
        self.files = files
        self.arithmetic = arithmetic
        self.device = device
        self.max_rows = max(MAX_ROWS, max_batch)
        self.open_runtime = open_runtime
        self.outline = files.outline()
        config = self.outline.config
        self.geometry = Geometry(config, config.nearest_right_frames(chunk_ms))
        self.info = ModelInfo(
            name=files.name,
            engine="conformer_ctc",
            languages=self.outline.languages,
            multilingual=len(self.outline.languages) > 1,
            precision=arithmetic.name,
            first_step_samples=self.geometry.first_chunk_samples,
            step_samples=self.geometry.chunk_samples,
            letters=self.outline.tokens.letters(),
        )

    def num_parameters(self) -> int:
        return self.files.num_parameters()

    @torch.no_grad()
    def load(self) -> None:
        torch.set_num_threads(1)  # more threads fight over shared cores: docs/decisions/0003-one-thread.md
        checkpoint = self.files.load()
        encoder = StreamingEncoder(self.geometry, checkpoint.parameters)
        self.runtime = self.open_runtime(encoder, self.head(checkpoint), self.arithmetic, self.device)
        self.log_mel = StreamingLogMel(self.geometry, LogMelOptions(num_mels=self.outline.config.num_mels))
        self.writer: Writer[Any] = self.open_writer(checkpoint)

    def head(self, checkpoint: Checkpoint) -> nn.Module:
        """What the runtime makes of the encoder's states."""
        return CtcHead(checkpoint.of_ctc())

    def open_writer(self, checkpoint: Checkpoint) -> Writer[Any]:
        folder = self.outline.lm_folder
        own = None if folder is None else LanguageModel(LmFiles.in_folder(folder))
        return CtcWriter(checkpoint.tokens, self.outline.config.frame_ms, self.language_models, own)

    def warm_up(self) -> None:
        """One stream alone, and as many together as there ever are."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ, dtype=np.float32) * 0.01
        for num_rows in (1, self.max_rows):
            self.step([Window(self.open_stream(), noise, self.info.languages[:1], is_final=True) for _ in range(num_rows)])

    def open_stream(self) -> Utterance:
        return Utterance()

    def finish(self, state: Utterance) -> None:
        if state.slot is not None:
            self.runtime.give(state.slot)
        state.forget()

    def close(self) -> None:
        runtime = vars(self).pop("runtime", None)  # not there when loading failed
        if runtime is not None:
            runtime.close()
        for name in ("log_mel", "writer"):
            vars(self).pop(name, None)

    @torch.inference_mode()
    def step(self, windows: Sequence[Window[Utterance]]) -> list[Hypothesis | None]:
        """1. take what is new, 2. encode and write chunk by chunk, as long as enough rows have one, 3. say what was written.

        Nothing is forgotten before all have said theirs, so that after a fault each window can be tried again alone.
        """
        for window in windows:
            self._hear(window)
        self._write([window.state for window in windows if window.state.unwritten is not None])
        going = self._with_chunk(windows)
        while going and not _may_wait(going, len(windows)):
            for first in range(0, len(going), self.max_rows):
                self._write_chunk([window.state for window in going[first : first + self.max_rows]])
            going = self._with_chunk(going)
        hypotheses = [self._hypothesis(window) for window in windows]
        for window, hypothesis in zip(windows, hypotheses, strict=True):
            if window.is_final and hypothesis is not None:
                self.finish(window.state)
        return hypotheses

    def _with_chunk(self, windows: Sequence[Window[Utterance]]) -> list[Window[Utterance]]:
        return [window for window in windows if window.state.has_chunk(self.geometry)]

    def _hear(self, window: Window[Utterance]) -> None:
        state = window.state
        new = window.audio[max(0, state.num_heard - window.start) :]
        state.pending.push(new, self.log_mel.options.preemphasis)
        state.num_heard += len(new)
        if state.line is None:
            state.line = self.writer.open(window)
        if window.is_final:
            state.num_wanted = self._num_wanted(window)

    def _num_wanted(self, window: Window[Utterance]) -> int:
        """Frames of a segment that is over; whole chunks where nothing else follows them."""
        if window.state.num_heard > window.num_samples:
            return self.geometry.num_frames_of(window.num_samples)
        num_frames, chunk = self.geometry.num_frames_of(window.num_samples + FLUSH_SAMPLES), self.geometry.chunk_frames
        return -(-num_frames // chunk) * chunk

    def _write_chunk(self, states: Sequence[Utterance]) -> None:
        """Of each one its next chunk."""
        mel = self.log_mel([state.pending for state in states])
        outputs = self.runtime.step(mel, [self._slot(state) for state in states])
        for state, frames in zip(states, outputs, strict=True):
            state.pending.pass_chunk(self.geometry)
            state.num_frames += self.geometry.chunk_frames
            state.unwritten = frames
        self._write(states)

    def _write(self, states: Sequence[Utterance]) -> None:
        """The frames that each has waiting. Where a line fails, those behind it keep theirs until they are tried again."""
        for together in [states] if self.writer.writes_together else [[state] for state in states]:
            frames = [state.unwritten for state in together if state.unwritten is not None]
            if frames:
                self.writer.write([state.line for state in together], frames)
            for state in together:
                state.unwritten = None

    def _slot(self, state: Utterance) -> int:
        if state.slot is None:
            state.slot = self.runtime.take()
        return state.slot

    def _hypothesis(self, window: Window[Utterance]) -> Hypothesis | None:
        state = window.state
        if window.is_final and state.has_chunk(self.geometry):
            return None
        if state.num_wanted is None:
            said = self.writer.partial(state.line)
        else:
            said = state.said = state.said or self.writer.finish(state.line, state.num_wanted)
        language = window.languages[0] if len(window.languages) == 1 else self.info.languages[0]
        return Hypothesis(said.text, said.stable, language, said.confidence, said.words)


def _may_wait(going: Sequence[Window[Utterance]], num_windows: int) -> bool:
    """Whether the chunks that are left had better be computed together with those of the next step: the last ones of few finals,
    which would cost as much as those of many rows."""
    return len(going) * FEW < num_windows and all(window.is_final for window in going)
