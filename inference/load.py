"""How much an inference process has to do, and whether its recognition thread still gets on.

`Pulse` is written by the recognition thread alone and read by the event loop, so each of its values is replaced in one
assignment. What follows from a load is decided elsewhere: where a stream goes by `inference.client.placement`.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from inference.messages import AnyStreamEvent, TranscriptFinal, TranscriptUpdated, WorkerLoad

STUCK_S: Final = 5.0
"""A pass that lasts this long and hardly used the processor waits for something that will not come."""
RUNAWAY_S: Final = 30.0
"""A pass that computes may last longer: a batch of the longest windows on a machine that is short of processors takes
several seconds, and to give up a process because it is slow would only load the others more."""
MIN_CPU_SHARE: Final = 0.02
SMOOTHING: Final = 0.3
"""Weight of the newest second in `busy`: speakers pause, and a pause is no reason to be sent more of them."""


def thread_cpu_clock() -> Callable[[], float]:
    """CPU seconds of the calling thread, to be read from any thread; where that cannot be had, a clock that runs with time."""
    if sys.platform != "linux":
        return time.monotonic
    clock_id = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: time.clock_gettime(clock_id)


@dataclass(frozen=True, slots=True)
class Pass:
    """When the recognition thread began its present pass, and its CPU time then."""

    began_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Rest:
    """For how long the recognition thread has had nothing to do in all, without the present rest, and since when it rests."""

    total_s: float = 0.0
    since_s: float | None = None

    def total_at(self, now_s: float) -> float:
        return self.total_s + (now_s - self.since_s if self.since_s is not None else 0.0)


class Pulse:
    """What the recognition thread lets others know. Made by the thread that will be watched.

    Args:
        clock: seconds that never go back.
        cpu_clock: CPU seconds of the watched thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] | None = None) -> None:
        self.clock = clock
        self.cpu_clock = cpu_clock or thread_cpu_clock()
        self.rest = Rest()
        self.queue_ms: tuple[float, ...] = ()
        self.begin_pass()

    # The recognition thread

    def begin_pass(self) -> None:
        self.last_pass = Pass(self.clock(), self.cpu_clock())

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Around a wait for something to do."""
        self.rest = Rest(self.rest.total_s, self.clock())
        try:
            yield
        finally:
            self.begin_pass()
            self.rest = Rest(self.rest.total_at(self.clock()))

    def delivered(self, events: Iterable[AnyStreamEvent]) -> None:
        """Remember how long results had waited; the reader takes it away."""
        waits = tuple(event.timings.queue_ms for event in events if isinstance(event, TranscriptUpdated | TranscriptFinal))
        if waits:
            self.queue_ms += waits

    # Any thread

    @property
    def stalled_s(self) -> float:
        """For how long the present pass has lasted; 0 in a rest."""
        return 0.0 if self.rest.since_s is not None else max(0.0, self.clock() - self.last_pass.began_s)

    @property
    def is_stuck(self) -> bool:
        """Whether the present pass will not end."""
        stalled_s = self.stalled_s
        used_s = self.cpu_clock() - self.last_pass.cpu_s
        return stalled_s >= RUNAWAY_S or (stalled_s >= STUCK_S and used_s < MIN_CPU_SHARE * stalled_s)


class LoadMeter:
    """Makes a report of a pulse; called about once a second, by one thread."""

    def __init__(self, pulse: Pulse, max_streams: int) -> None:
        self._pulse = pulse
        self._max_streams = max_streams
        self._busy = 0.0
        self._read_s = pulse.clock()
        self._rested_s = pulse.rest.total_at(self._read_s)

    def report(self, num_streams: int) -> WorkerLoad:
        waits, self._pulse.queue_ms = self._pulse.queue_ms, ()
        return WorkerLoad(
            num_streams=num_streams,
            busy=self._measure_busy(),
            queue_ms=sum(waits) / len(waits) if waits else 0.0,
            stalled_ms=round(self._pulse.stalled_s * 1000),
            is_full=num_streams >= self._max_streams,
        )

    def _measure_busy(self) -> float:
        """Smoothed share of the time since the last report that was no rest."""
        now_s = self._pulse.clock()
        rested_s = self._pulse.rest.total_at(now_s)
        if now_s > self._read_s:
            busy = 1.0 - (rested_s - self._rested_s) / (now_s - self._read_s)
            self._busy += SMOOTHING * (min(1.0, max(0.0, busy)) - self._busy)
        self._read_s, self._rested_s = now_s, rested_s
        return round(self._busy, 3)
