"""conformer-edge as it ships: words of held-out speakers in each kind, and what whole steps of the engine take."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.conformer.models import GRAPHS
from inference.audio import SAMPLE_RATE_HZ, to_samples
from inference.config import RuntimeName, StreamingOptions, parse_precision
from inference.decoding.artefact import NO_LANGUAGE_MODEL
from inference.engines import registry
from inference.engines.base import Engine, Window, recognise
from inference.training.judging import Answer, Trial, held_out_trials, verdicts

MODEL: Final = "conformer-edge"
BATCH: Final = 32
PACKET_MS: Final = 200
DECODINGS: Final = {"greedy": NO_LANGUAGE_MODEL, "with LM": ""}


@dataclass(frozen=True, slots=True)
class Line:
    """wer_percent: by domain. streams_per_core: features and decoding included, BATCH streams together."""

    runtime: str
    precision: str
    decoding: str
    wer_percent: dict[str, float]
    streams_per_core: float

    def text(self) -> str:
        words = "".join(f"{name} {percent:5.2f} %   " for name, percent in self.wer_percent.items())
        return f"{self.runtime:<9}{self.precision:<6}{self.decoding:<9}{words}{self.streams_per_core:>6.0f} streams a core\n"


def lines(folder: Path, kinds: Sequence[tuple[RuntimeName, str]], limit: int | None) -> Iterator[Line]:
    trials = held_out_trials([folder], limit)
    for runtime, precision in kinds:
        sys.stderr.write(f"{MODEL}: {runtime} in {precision}\n")
        streaming = StreamingOptions(runtime=runtime, graphs_dir=GRAPHS / "conformer-edge")
        engine = registry.create(MODEL, parse_precision(precision), streaming=streaming)
        engine.load()
        engine.warm_up()
        for decoding, language_model in DECODINGS.items():
            yield _line(engine, trials, (runtime, precision, decoding), language_model)
        engine.close()


def _line(engine: Engine[Any], trials: Sequence[Trial], names: tuple[str, str, str], language_model: str) -> Line:
    audio_s, cpu_s, answers = 0.0, 0.0, []
    for first in range(0, len(trials), BATCH):
        group = trials[first : first + BATCH]
        started_s = time.process_time()
        texts = heard(engine, [trial.audio for trial in group], language_model)
        cpu_s += time.process_time() - started_s
        audio_s += sum(len(trial.audio) for trial in group) / SAMPLE_RATE_HZ
        answers += [Answer(each.id, each.domain, each.reference, text) for each, text in zip(group, texts, strict=True)]
    rates = {verdict.domain: 100 * verdict.rate for verdict in verdicts(answers)}
    return Line(*names, rates, audio_s / cpu_s)


def heard(engine: Engine[Any], spoken: Sequence[np.ndarray], language_model: str) -> list[str]:
    """Streams in step, a packet of each at a time."""
    packet, texts = to_samples(PACKET_MS), [""] * len(spoken)
    states = [engine.open_stream() for _ in spoken]
    for start in range(0, max(map(len, spoken)), packet):
        rows = [row for row, audio in enumerate(spoken) if start < len(audio)]
        windows = [_window(states[row], spoken[row], start, packet, language_model) for row in rows]
        for row, hypothesis in zip(rows, recognise(engine, windows), strict=True):
            texts[row] = hypothesis.text
    return texts


def _window(state: Any, audio: np.ndarray, start: int, packet: int, language_model: str) -> Window[Any]:
    is_final = start + packet >= len(audio)
    return Window(state, audio[start : start + packet], ("en",), is_final, start=start, language_model=language_model)
