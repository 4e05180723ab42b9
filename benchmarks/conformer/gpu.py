"""How many live streams a GPU carries with streaming Conformers: steps of many rows, recorded as CUDA graphs and not, in turn.

python -m benchmarks.conformer.gpu --json benchmarks/results/conformer-gpu.json
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.conformer.models import SIZES, Crowd, network_of
from inference.engines import device as devices
from inference.engines.arithmetic import BY_NAME
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.runtimes.graphs import GraphsRuntime
from inference.engines.conformer_ctc.step import CtcHead, StreamingEncoder
from inference.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Order:
    """device: as HARK_DEVICE. batches: numbers of streams. num_rounds: steps of each cell that count."""

    device: str
    millions: str
    precisions: Sequence[str]
    batches: Sequence[int]
    num_rounds: int


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of wall-clock time, in which nothing but the steps runs."""

    millions: str
    precision: str
    batch: int
    chunk_ms: int
    graphs_ms: float
    plain_ms: float

    @property
    def streams(self) -> tuple[float, float]:
        """That one GPU carries with graphs and without: steps one after the other, features and decoding not counted."""
        return self.batch * self.chunk_ms / self.graphs_ms, self.batch * self.chunk_ms / self.plain_ms


def rows_of(order: Order) -> list[Row]:
    """Raises:
    ConfigError: there is no such GPU; the message says what is missing.
    """
    chosen = devices.choose(order.device)
    network = network_of(SIZES[order.millions])
    return [row for precision in order.precisions for row in _of_precision(order, network, precision, chosen)]


def _of_precision(order: Order, network: ConformerCtc, precision: str, device: torch.device) -> list[Row]:
    sys.stderr.write(f"{order.millions} million in {precision}\n")
    runtimes = [_runtime(kind, network, precision, device) for kind in (GraphsRuntime, TorchRuntime)]
    rows = [_row(order, precision, runtimes, batch) for batch in order.batches]
    for runtime in runtimes:
        runtime.close()
    return rows


def _runtime(kind: Callable[..., TorchRuntime], network: ConformerCtc, precision: str, device: torch.device) -> TorchRuntime:
    weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
    geometry = Geometry(network.config, network.config.default_right_frames)
    return kind(StreamingEncoder(geometry, weights), CtcHead(weights), BY_NAME[precision], device)


def _row(order: Order, precision: str, runtimes: Sequence[TorchRuntime], batch: int) -> Row:
    """Steps with graphs and without in turn. A step gives numbers in main memory: the GPU is done with it."""
    crowds = [Crowd(runtime, batch) for runtime in runtimes]
    taken_ms: list[list[float]] = [[] for _ in crowds]
    for _ in range(order.num_rounds):
        for crowd, times_ms in zip(crowds, taken_ms, strict=True):
            started_s = time.perf_counter()
            crowd.step()
            times_ms.append((time.perf_counter() - started_s) * 1000)
    for crowd in crowds:
        crowd.leave()
    geometry = runtimes[0].geometry
    with_graphs, without = (round(float(np.median(times_ms)), 3) for times_ms in taken_ms)
    return Row(order.millions, precision, batch, geometry.config.chunk_ms(geometry.right_frames), with_graphs, without)


def table(rows: Sequence[Row]) -> str:
    """Streams a GPU, and the time of a step; a line for each precision and batch."""
    lines = [f"{'million':>8}  {'precision':<10}{'batch':>6}{'with CUDA graphs':>24}{'without':>24}{'ratio':>8}"]
    for row in rows:
        (recorded, plain), ratio = row.streams, row.plain_ms / row.graphs_ms
        figures = f"{recorded:>14.0f} {row.graphs_ms:>7.2f}ms{plain:>14.0f} {row.plain_ms:>7.2f}ms{ratio:>8.2f}"
        lines.append(f"{row.millions:>8}  {row.precision:<10}{row.batch:>6}{figures}")
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conformer.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, or cuda:N")
    parser.add_argument("--sizes", default="28,114", help="millions of parameters; default: %(default)s")
    parser.add_argument("--precisions", default="fp32,bf16,fp16", help="default: %(default)s")
    parser.add_argument("--batches", default="1,16,64,256,1024,2048", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=50, help="steps of each cell; default: %(default)s")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    if not options.device.startswith("cuda"):
        parser.error(f"--device is {options.device}; expected cuda or cuda:N: this measures GPUs")
    precisions, batches = options.precisions.split(","), [int(batch) for batch in options.batches.split(",")]
    found: list[Row] = []
    for millions in options.sizes.split(","):
        try:
            rows = rows_of(Order(options.device, millions, precisions, batches, options.rounds))
        except ConfigError as err:
            raise SystemExit(f"benchmarks.conformer.gpu: {err.message}") from err
        sys.stdout.write(table(rows))
        sys.stdout.flush()
        found += rows
    if options.json:
        name = torch.cuda.get_device_name(devices.choose(options.device))
        options.json.write_text(json.dumps({"gpu": name, "rows": [asdict(row) for row in found]}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
