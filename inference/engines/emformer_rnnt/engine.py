"""torchaudio's streaming Emformer-RNNT as an engine: of each window it hears only what is new, 160 ms at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.arithmetic import CPU, Arithmetic
from inference.engines.base import Hypothesis, Window
from inference.engines.emformer_rnnt.features import FRAME_SAMPLES, HALF_SAMPLES, HOP_SAMPLES, Features, PendingFrames
from inference.engines.emformer_rnnt.network import SEEN_MELS, SEGMENT_MELS, EmformerEncoder, EmformerTransducer
from inference.engines.emformer_rnnt.weights import LEFT_FRAMES, SEGMENT_FRAMES, STRIDE, EmformerFiles
from inference.engines.transducer import Trace, decode
from inference.messages import ModelInfo

LANGUAGE: Final = "en"
ENCODED_SAMPLES: Final = STRIDE * HOP_SAMPLES
ENCODED_MS: Final = ENCODED_SAMPLES * 1000 // SAMPLE_RATE_HZ
MAX_ROWS: Final = 64


@dataclass(slots=True)
class Utterance:
    """What is remembered of a stream: the segment that is being spoken. num_heard: samples that were taken. num_frames: that were
    encoded; num_wanted: those that belong to a segment that is over. memory: the encoder's, from its first step on.
    """

    num_heard: int = 0
    num_frames: int = 0
    num_wanted: int | None = None
    pending: PendingFrames = field(default_factory=PendingFrames.empty)
    memory: Tensor | None = None
    trace: Trace = field(default_factory=Trace)

    def forget(self) -> None:
        self.num_heard = self.num_frames = 0
        self.num_wanted = self.memory = None
        self.pending, self.trace = PendingFrames.empty(), Trace()

    @property
    def has_segment(self) -> bool:
        """Whether another one can be encoded; behind the end there is silence."""
        if self.num_wanted is None:
            return self.pending.num_frames >= SEEN_MELS
        return self.num_frames < self.num_wanted

    @property
    def num_seen(self) -> int:
        """Frames that the encoder remembers."""
        return min(self.num_frames, LEFT_FRAMES)


class EmformerEngine:
    """Args:
    arithmetic: the encoder's; features, predictor and joiner are always float32, on the processor.
    """

    def __init__(self, files: EmformerFiles, arithmetic: Arithmetic, *, device: torch.device = CPU) -> None:
        self.files = files
        self.arithmetic = arithmetic
        self.device = device
        self.info = ModelInfo(
            name=files.name,
            engine="emformer_rnnt",
            languages=(LANGUAGE,),
            multilingual=False,
            precision=arithmetic.name,
            first_step_samples=(SEEN_MELS - 1) * HOP_SAMPLES + HALF_SAMPLES,
            step_samples=SEGMENT_MELS * HOP_SAMPLES,
        )

    def num_parameters(self) -> int:
        return self.files.num_parameters()

    @torch.no_grad()
    def load(self) -> None:
        torch.set_num_threads(1)  # more threads fight over shared cores: docs/decisions/0003-one-thread.md
        loaded = self.files.load()
        self.tokens = loaded.tokens
        self.features = Features(loaded.statistics)
        self.transducer = EmformerTransducer(loaded.network)
        self.encoder = EmformerEncoder(loaded.network.get_submodule("transcriber"), self.arithmetic, self.device)

    def warm_up(self) -> None:
        """One stream alone, and as many together as there ever are."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ, dtype=np.float32) * 0.01
        for num_rows in (1, MAX_ROWS):
            self.step([Window(self.open_stream(), noise, (LANGUAGE,), is_final=True) for _ in range(num_rows)])

    def open_stream(self) -> Utterance:
        return Utterance()

    def finish(self, state: Utterance) -> None:
        state.forget()

    def close(self) -> None:
        for name in ("tokens", "features", "transducer", "encoder"):
            vars(self).pop(name, None)  # not there when loading failed

    @torch.inference_mode()
    def step(self, batch: Sequence[Window[Utterance]]) -> list[Hypothesis]:
        """1. take what is new, 2. encode and write segment by segment, those together that remember as much, 3. say it."""
        for window in batch:
            _hear(window)
        states = [window.state for window in batch]
        while states := [state for state in states if state.has_segment]:
            for _, alike in groupby(sorted(states, key=lambda state: state.num_seen), key=lambda state: state.num_seen):
                rows = list(alike)
                for first in range(0, len(rows), MAX_ROWS):
                    self._write(rows[first : first + MAX_ROWS])
        hypotheses = [self._hypothesis(window) for window in batch]
        for window in batch:
            if window.is_final:
                window.state.forget()
        return hypotheses

    def _write(self, states: Sequence[Utterance]) -> None:
        """The next segment of streams that remember equally much. Where this raises, they are as they were."""
        features = self._heard(states)
        memories = [self.encoder.start() if state.memory is None else state.memory for state in states]
        encoded, memories = self.encoder.step(features, memories, states[0].num_seen)
        decode(self.transducer, list(encoded), [state.trace for state in states])
        for state, memory in zip(states, memories, strict=True):
            state.memory = memory
            state.pending.drop(SEGMENT_MELS)
            state.num_frames += SEGMENT_FRAMES

    def _heard(self, states: Sequence[Utterance]) -> Tensor:
        """Features of the segment of each, and of what is heard behind it: (rows, 20, mels). Beyond the audio they are zeros, the
        mean of those that the network was trained on.
        """
        num_samples = SEEN_MELS * HOP_SAMPLES + FRAME_SAMPLES - HOP_SAMPLES
        audio = np.zeros((len(states), num_samples), dtype=np.float32)
        for row, state in zip(audio, states, strict=True):
            heard = state.pending.first(SEEN_MELS)
            row[: len(heard)] = heard
        features = self.features(torch.from_numpy(audio))
        for place, state in enumerate(states):
            features[place, state.pending.num_frames :] = 0.0
        return features

    def _hypothesis(self, window: Window[Utterance]) -> Hypothesis:
        state = window.state
        if state.num_wanted is None:
            said = state.trace.partial(self.tokens)
        else:
            said = state.trace.finish(self.tokens, ENCODED_MS, state.num_wanted)
        return Hypothesis(said.text, said.stable, LANGUAGE, said.confidence, said.words)


def _hear(window: Window[Utterance]) -> None:
    state = window.state
    new = window.audio[max(0, state.num_heard - window.start) :]
    state.pending.push(new)
    state.num_heard += len(new)
    if window.is_final and state.num_wanted is None:
        state.pending.end()
        state.num_wanted = -(-window.num_samples // ENCODED_SAMPLES)
