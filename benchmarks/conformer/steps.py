"""Processor time of steps, all kinds in turn."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from benchmarks.conformer.models import KINDS, SIZES, AnyRuntime, Crowd, network_of, opened
from inference.config import RuntimeName

SCATTERED_BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Row:
    """step_ms: of processor time, the median."""

    millions: str
    runtime: str
    precision: str
    batch: int
    is_scattered: bool
    chunk_ms: int
    step_ms: float

    @property
    def streams_per_core(self) -> float:
        return self.batch * self.chunk_ms / self.step_ms


@dataclass(frozen=True, slots=True)
class Effort:
    """batches: numbers of streams. num_rounds: steps of each cell that count."""

    batches: Sequence[int]
    num_rounds: int


def rows_of(millions: str, kinds: Sequence[tuple[RuntimeName, str]], effort: Effort) -> list[Row]:
    """Of one size, in this process."""
    torch.set_num_threads(1)
    network, runtimes = network_of(SIZES[millions]), {}
    for runtime, precision in kinds:
        sys.stderr.write(f"{millions} million: opening {runtime} in {precision}\n")
        runtimes[runtime, precision] = opened(network, runtime, precision)
    cells = [(batch, False) for batch in effort.batches] + [(SCATTERED_BATCH, True)]
    return [row for batch, is_scattered in cells for row in _cell(millions, runtimes, batch, effort, is_scattered=is_scattered)]


def _cell(
    millions: str,
    runtimes: dict[tuple[RuntimeName, str], AnyRuntime],
    batch: int,
    effort: Effort,
    *,
    is_scattered: bool,
) -> list[Row]:
    """One batch size in every kind, step by step in turn."""
    crowds = {kind: Crowd(runtime, batch, is_scattered=is_scattered) for kind, runtime in runtimes.items()}
    taken_ms: dict[tuple[RuntimeName, str], list[float]] = {kind: [] for kind in crowds}
    for _ in range(effort.num_rounds):
        for kind, crowd in crowds.items():
            started_s = time.process_time()
            crowd.step()
            taken_ms[kind].append((time.process_time() - started_s) * 1000)
    for crowd in crowds.values():
        crowd.leave()
    geometry = next(iter(runtimes.values())).geometry
    chunk_ms = geometry.config.chunk_ms(geometry.right_frames)
    return [
        Row(millions, *kind, batch, is_scattered, chunk_ms, round(float(np.median(times_ms)), 3))
        for kind, times_ms in taken_ms.items()
    ]


def kinds_of(runtimes: Sequence[str], precisions: Sequence[str]) -> list[tuple[RuntimeName, str]]:
    return [(runtime, precision) for runtime, precision in KINDS if runtime in runtimes and precision in precisions]


def table(rows: Sequence[Row]) -> str:
    """Streams a core; a line for each kind, a column for each batch."""
    cells = sorted({(row.is_scattered, row.batch) for row in rows})
    heads = [f"B={batch}{' scattered' if is_scattered else ''}" for is_scattered, batch in cells]
    lines = [f"{'million':>8}  {'runtime':<9}{'precision':<10}" + "".join(f"{head:>15}" for head in heads)]
    for millions, runtime, precision in dict.fromkeys((row.millions, row.runtime, row.precision) for row in rows):
        mine = {
            (row.is_scattered, row.batch): row
            for row in rows
            if (row.millions, row.runtime, row.precision) == (millions, runtime, precision)
        }
        figures = "".join(f"{mine[cell].streams_per_core:>7.0f} {mine[cell].step_ms:>5.1f}ms" for cell in cells)
        lines.append(f"{millions:>8}  {runtime:<9}{precision:<10}{figures}")
    return "\n".join([*lines, ""])
