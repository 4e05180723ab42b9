"""How much an inference process has to do, and whether its recognition thread still gets on.

`Pulse` is written by the recognition thread alone and read by the event loop, so each of its values is replaced in one
assignment. What follows from a load is decided elsewhere: where a stream goes by `inference.client.placement`.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from inference.messages import AnyStreamEvent, Timings, TranscriptFinal, TranscriptUpdated, WorkerLoad

STUCK_S: Final = 5.0
"""A pass that lasts this long and hardly used the processor waits for something that will not come."""
RUNAWAY_S: Final = 30.0
"""A pass that computes may last longer: a batch of the longest windows on a machine that is short of processors takes
several seconds, and to give up a process because it is slow would only load the others more."""
MIN_CPU_SHARE: Final = 0.02
STUCK_REPORTS: Final = 4
"""So many in a row must have found the same pass: a container that was paused, or a machine that stood still, had all threads
wait, and the first report afterwards would blame this one."""
SMOOTHING: Final = 0.3
"""Weight of the newest second in `busy`: speakers pause, and a pause is no reason to be sent more of them."""
BUSY_SHARE: Final = 0.9
"""A recognition thread that rests for more than a tenth of a second keeps up, however late single results are."""
PARTIAL_SHARE: Final = 0.5
"""How much a partial's delay counts beside a final's: partials make room for finals, and nobody misses one."""
DELAY_SMOOTHING: Final = 0.5
OVERLOADED_AFTER: Final = 3
"""Reports in a row that are too late: one long file that somebody sends at once is no overload."""
RELIEVED_AFTER: Final = 5
RELIEVED_SHARE: Final = 0.6
"""Of the delay that is too long: nobody is let in before there is room for somebody."""


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


class Result(NamedTuple):
    """A text that was delivered."""

    is_final: bool
    timings: Timings

    @property
    def delay_ms(self) -> float:
        """From the wish to the text; a partial's counts less."""
        return (self.timings.queue_ms + self.timings.infer_ms) * (1.0 if self.is_final else PARTIAL_SHARE)


class Overload:
    """Whether recognition cannot keep up with the streams that it has, so that new ones are refused. Pure; one report a second.

    Streams are not counted: thousands in which nobody speaks are no load. Between its two thresholds nothing changes.

    Args:
        max_delay_ms: texts may take so long on average; 0: there is no such limit.
    """

    def __init__(self, max_delay_ms: int) -> None:
        self.is_overloaded = False
        self._max_delay_ms = max_delay_ms
        self._delay_ms = 0.0
        self._num_reports = 0

    def learn(self, busy: float, results: Sequence[Result]) -> None:
        """The last second. `busy`: the share of it that was no rest."""
        is_busy = busy >= BUSY_SHARE
        if results or not is_busy:  # a step that lasts longer than a second says nothing new
            newest_ms = sum(result.delay_ms for result in results) / len(results) if results else 0.0
            self._delay_ms += DELAY_SMOOTHING * (newest_ms - self._delay_ms)
        if self.is_overloaded:
            is_turning = not is_busy or self._delay_ms < RELIEVED_SHARE * self._max_delay_ms
        else:
            is_turning = is_busy and 0 < self._max_delay_ms < self._delay_ms
        self._num_reports = self._num_reports + 1 if is_turning else 0
        if self._num_reports >= (RELIEVED_AFTER if self.is_overloaded else OVERLOADED_AFTER):
            self.is_overloaded = not self.is_overloaded
            self._num_reports = 0


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
        self.results: tuple[Result, ...] = ()
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
        """Remember how long results took; the reader takes it away."""
        results = tuple(
            Result(isinstance(event, TranscriptFinal), event.timings)
            for event in events
            if isinstance(event, TranscriptUpdated | TranscriptFinal)
        )
        if results:
            self.results += results

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
    """Makes a report of a pulse; called about once a second, by one thread. What little happened before the first one, which
    comes with the models, counts for little.

    Args:
        max_delay_ms: as for `Overload`.
    """

    def __init__(self, pulse: Pulse, max_streams: int, max_delay_ms: int = 0) -> None:
        self._pulse = pulse
        self._max_streams = max_streams
        self._overload = Overload(max_delay_ms)
        self._busy = 0.0
        self._pass = pulse.last_pass
        self._num_reports_of_pass = 0
        self._read_s = pulse.clock()
        self._rested_s = pulse.rest.total_at(self._read_s)

    def report(self, num_streams: int) -> WorkerLoad:
        results, self._pulse.results = self._pulse.results, ()
        busy, passed_s = self._measure_busy()
        self._look_at_pass()
        self._busy += SMOOTHING * min(1.0, passed_s) * (busy - self._busy)
        self._overload.learn(busy, results)
        return WorkerLoad(
            num_streams=num_streams,
            busy=round(self._busy, 3),
            queue_ms=sum(result.timings.queue_ms for result in results) / len(results) if results else 0.0,
            stalled_ms=round(self._pulse.stalled_s * 1000),
            is_full=num_streams >= self._max_streams,
            is_overloaded=self._overload.is_overloaded,
            num_free=max(0, self._max_streams - num_streams),
        )

    @property
    def is_stuck(self) -> bool:
        """Whether the present pass will not end, as far as the last reports show."""
        return self._num_reports_of_pass >= STUCK_REPORTS and self._pulse.is_stuck

    def _look_at_pass(self) -> None:
        present = self._pulse.last_pass
        self._num_reports_of_pass = self._num_reports_of_pass + 1 if present is self._pass else 1
        self._pass = present

    def _measure_busy(self) -> tuple[float, float]:
        """Share of the time since the last report that was no rest, and that time in seconds."""
        now_s = self._pulse.clock()
        rested_s = self._pulse.rest.total_at(now_s)
        passed_s, resting_s = now_s - self._read_s, rested_s - self._rested_s
        self._read_s, self._rested_s = now_s, rested_s
        return (min(1.0, max(0.0, 1.0 - resting_s / passed_s)) if passed_s > 0 else self._busy), passed_s
