"""What became of each swap: its row, and the memory of the inference processes meanwhile."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psutil
import psycopg

from benchmarks.streams.figures import Span

OVER: Final = frozenset({"done", "failed", "rolled_back"})
LOOK_EVERY_S: Final = 0.25
WITHIN_S: Final = 300.0
MIB: Final = 1 << 20
QUERY: Final = "SELECT to_name, state, error, started_at, finished_at, progress FROM transcription_modelswap WHERE id = %s"


class SwapError(Exception):
    """A swap did not come to its end."""


@dataclass(frozen=True, slots=True)
class Step:
    """`at_s`: of the monotonic clock, as all times here."""

    at_s: float
    worker: str
    stage: str
    detail: str


@dataclass(frozen=True, slots=True)
class Swap:
    """`rss_mib`, `most_rss_mib`: of each inference process, by its name, after the swap, and the most during it."""

    to_name: str
    state: str
    error: str
    span: Span
    steps: tuple[Step, ...]
    rss_mib: Mapping[str, float] = field(default_factory=dict)
    most_rss_mib: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.span.to_s - self.span.from_s

    @property
    def loading(self) -> Span | None:
        """From the first process that looks whether there is room to the last one that has loaded and tried the model."""
        begun = [step.at_s for step in self.steps if step.worker and step.stage == "checking"]
        ended = [step.at_s for step in self.steps if step.stage == "loaded"]
        return Span(min(begun), max(ended)) if begun and ended else None


class SwapWatch:
    """Args:
    processes: the inference processes, by name.
    """

    def __init__(self, database_url: str, processes: Mapping[str, psutil.Process]) -> None:
        self._database_url = database_url
        self._processes = processes

    def rss_mib(self) -> dict[str, float]:
        return {name: process.memory_info().rss / MIB for name, process in self._processes.items()}

    def follow(self, swap_id: int) -> Swap:
        """Blocks until the swap is over.

        Raises:
            SwapError: it takes too long.
        """
        deadline_s = time.monotonic() + WITHIN_S
        most = self.rss_mib()
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            while (row := connection.execute(QUERY, [swap_id]).fetchone()) is None or row[4] is None or row[1] not in OVER:
                if time.monotonic() > deadline_s:
                    raise SwapError(f"Swap {swap_id} is not over after {WITHIN_S:g} s: {row}")
                most = _larger(most, self.rss_mib())
                time.sleep(LOOK_EVERY_S)
        return swap_of(row, time.monotonic() - time.time(), self.rss_mib(), most)


def swap_of(row: Sequence[Any], offset_s: float, rss_mib: Mapping[str, float], most_rss_mib: Mapping[str, float]) -> Swap:
    """`row`: of QUERY. `offset_s`: from the clock of the day to the monotonic one."""
    to_name, state, error, started_at, finished_at, progress = row
    steps = tuple(
        Step(datetime.fromisoformat(step["at"]).timestamp() + offset_s, step["worker"], step["stage"], step["detail"])
        for step in progress
    )
    span = Span(started_at.timestamp() + offset_s, finished_at.timestamp() + offset_s)
    return Swap(to_name, state, error, span, steps, rss_mib, _larger(most_rss_mib, rss_mib))


def _larger(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: max(value, other[name]) for name, value in one.items()}
