"""How many windows a second a GPU recognises, by batch size, with CUDA graphs and without, in turn on the same engine.

Each window is a clip of the speech set cut to the same length, written afresh (a final without a draft): the most work that
a window can be. Partials cost less.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.speech import clips, speech_folder
from inference.audio import SAMPLE_RATE_HZ
from inference.engines import registry
from inference.engines.base import Window
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.graphs import StaticRunner
from inference.errors import ConfigError

BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NUM_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """Windows a second, the best of NUM_ROUNDS."""

    batch: int
    with_graphs: float
    without_graphs: float


def loaded(model: str, device: str, max_batch: int) -> WhisperEngine:
    engine = registry.create(model, "auto", device=device, max_batch=max_batch)
    assert isinstance(engine, WhisperEngine)
    engine.load()
    engine.warm_up()
    return engine


def recordings(window_s: float) -> list[np.ndarray]:
    num_samples = int(window_s * SAMPLE_RATE_HZ)
    found = [clip.audio()[:num_samples] for clip in clips(speech_folder(), {"en"}, {"read"}) if clip.seconds >= window_s]
    if not found:
        raise SystemExit(f"No English clip of the speech set is {window_s:g} s long.")
    return found


def seconds(engine: WhisperEngine, audio: Sequence[np.ndarray]) -> float:
    """Of one step; results are on the CPU when it is over."""
    windows = [Window(engine.open_stream(), samples, ("en",), is_final=True) for samples in audio]
    started_s = time.perf_counter()
    engine.step(windows)
    return time.perf_counter() - started_s


def measured(engine: WhisperEngine, spoken: Sequence[np.ndarray], batch: int) -> Row:
    runner = engine.writer.runner
    assert isinstance(runner, StaticRunner)
    graphs, found = runner.repeats, dict[bool, float]()
    audio = list(islice(cycle(spoken), batch))
    for _ in range(NUM_ROUNDS):
        for has_graphs in (True, False):
            runner.repeats = graphs if has_graphs else {}
            found[has_graphs] = max(found.get(has_graphs, 0.0), batch / seconds(engine, audio))
    runner.repeats = graphs
    return Row(batch, found[True], found[False])


def table(rows: Sequence[Row]) -> str:
    lines = [f"{'batch':>6}{'windows/s, graphs':>20}{'without':>12}{'ratio':>8}"]
    lines += [
        f"{row.batch:>6}{row.with_graphs:>20.1f}{row.without_graphs:>12.1f}{row.with_graphs / row.without_graphs:>8.2f}"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--device", default="cuda", help="cuda, or cuda:N")
    parser.add_argument("--max-batch", type=int, default=BATCHES[-1])
    parser.add_argument("--window-s", type=float, default=5.0, help="seconds of speech in each window")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    if not options.device.startswith("cuda"):
        parser.error(f"--device is {options.device}; expected cuda or cuda:N: this measures GPUs")
    try:
        engine = loaded(options.model, options.device, options.max_batch)
    except ConfigError as err:
        raise SystemExit(f"benchmarks.gpu: {err.message}") from err
    spoken = recordings(options.window_s)
    rows = [measured(engine, spoken, batch) for batch in BATCHES if batch <= options.max_batch]
    name = torch.cuda.get_device_name(engine.device)
    sys.stdout.write(f"{options.model}, {engine.arithmetic.name}, {name}, windows of {options.window_s:g} s\n{table(rows)}\n")
    if options.json:
        report = {"model": options.model, "precision": engine.arithmetic.name, "gpu": name, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
