"""Two processes of one thread against one: whether a second core carries as much as the first. By wall-clock time."""

import multiprocessing
import statistics
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import torch

from benchmarks.conformer.models import SIZES, Crowd, network_of, opened
from inference.config import RuntimeName

BATCH: Final = 32
SECONDS: Final = 5.0
NUM_ROUNDS: Final = 6
GO: Final = "go"
END: Final = "end"


@dataclass(frozen=True, slots=True)
class Order:
    millions: str
    runtime: RuntimeName
    precision: str


@dataclass(frozen=True, slots=True)
class Workers:
    """Streams that one worker carries alone, and two together, round by round: of one, the mean of both workers."""

    order: Order
    ones: list[float]
    twos: list[float]

    @property
    def ratio(self) -> float:
        """The median of the rounds', each within half a minute: a shared machine is faster in one minute than in the next."""
        return statistics.median(two / one for one, two in zip(self.ones, self.twos, strict=True))

    def line(self) -> str:
        name = f"{self.order.millions} million, {self.order.runtime} in {self.order.precision}"
        one, two = statistics.median(self.ones), statistics.median(self.twos)
        return f"{name:<36} one worker {one:>6.0f} streams, two {two:>6.0f}: {self.ratio:.2f} times as many\n"


def measured(order: Order) -> Workers:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(2):
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, order), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)
        here.recv()  # one after the other: the first one may make a graph, which the second one finds
    ones, twos = [], []
    for _ in range(NUM_ROUNDS):
        ones.append(statistics.mean(_together([pipe]) for pipe in pipes))
        twos.append(_together(pipes))
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(END)
        process.join()
    return Workers(order, ones, twos)


def _together(pipes: list[Connection]) -> float:
    for pipe in pipes:
        pipe.send(GO)
    return float(sum(pipe.recv() for pipe in pipes))


def _work(pipe: Connection, order: Order) -> None:
    """Each time it is asked: how many streams it carries."""
    torch.set_num_threads(1)
    runtime = opened(network_of(SIZES[order.millions]), order.runtime, order.precision)
    crowd = Crowd(runtime, BATCH)
    chunk_s = runtime.geometry.config.chunk_ms(runtime.geometry.right_frames) / 1000
    pipe.send("ready")
    while pipe.recv() == GO:
        started_s, num_steps = time.monotonic(), 0
        while (elapsed_s := time.monotonic() - started_s) < SECONDS:
            crowd.step()
            num_steps += 1
        pipe.send(num_steps * BATCH * chunk_s / elapsed_s)
