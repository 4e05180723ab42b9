"""What a registry counted, cut into intervals of ten seconds: increases of counters and histograms, looks at gauges.

Intervals begin at whole tens of seconds, and the first one of a process after its start, so that a process never writes into
one that its predecessor wrote. Of the newest the last word is not said yet: whoever stores it stores it again.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry

from inference.messages import Interval, Measured

INTERVAL_S: Final = 10
LOOK_EVERY_S: Final = 5.0
"""Twice in an interval: an alert waits for what was measured."""
MAX_INTERVALS: Final = 90
"""A quarter of an hour, for whoever stores them to come back."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A metric and its labels, by name."""


class Reading(NamedTuple):
    """What a metric has come to since the process began; of a gauge `total` is what it is now. `upto`: for each bucket, how many
    values are in it and in those below it, the infinite one included."""

    kind: str
    total: float
    num: int = 0
    upto: tuple[int, ...] = ()


@dataclass(slots=True)
class Tally:
    """Of one interval, as `Measured`."""

    total: float = 0.0
    count: int = 0
    low: float | None = None
    high: float | None = None
    buckets: list[int] = field(default_factory=list)

    def see(self, value: float) -> None:
        self.total += value
        self.count += 1
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)

    def add(self, now: Reading, before: Reading) -> None:
        self.total += now.total - before.total
        self.count += now.num - before.num
        if now.upto:
            upto = [new - old for new, old in zip(now.upto, before.upto or (0,) * len(now.upto), strict=True)]
            counts = [upto[0], *(more - less for less, more in zip(upto, upto[1:], strict=False))]
            self.buckets = [old + new for old, new in zip(self.buckets or [0] * len(counts), counts, strict=True)]

    @property
    def is_empty(self) -> bool:
        return not self.total and not self.count


class Sampler:
    """Args:
    clock: seconds since 1970.

    `look` and `since` are for one thread.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._clock = clock
        self._looked_s = clock()
        self._first_s = math.ceil(self._looked_s / INTERVAL_S) * INTERVAL_S
        self._before = dict(readings(registry))
        self._intervals: deque[tuple[int, dict[Key, Tally]]] = deque(maxlen=MAX_INTERVALS)

    def look(self) -> None:
        """What happened since the last look belongs to the interval in which that was."""
        tallies = self._interval_at(max(self._first_s, int(self._looked_s // INTERVAL_S) * INTERVAL_S))
        self._looked_s = self._clock()
        now = dict(readings(self._registry))
        for key, reading in now.items():
            tally = tallies.setdefault(key, Tally())
            if reading.kind == "gauge":
                tally.see(reading.total)
            else:
                tally.add(reading, self._before.get(key, NOTHING))
        self._before = now

    def _interval_at(self, at_s: int) -> dict[Key, Tally]:
        if not self._intervals or self._intervals[-1][0] < at_s:
            self._intervals.append((at_s, {}))
        return self._intervals[-1][1]

    def since(self, at_s: float) -> tuple[Interval, ...]:
        """Intervals from `at_s` on, oldest first; counters and histograms that stood still are left out."""
        return tuple(
            Interval(at_s=begins_s, measured=tuple(_measured(key, tally) for key, tally in tallies.items() if not tally.is_empty))
            for begins_s, tallies in self._intervals
            if begins_s >= at_s
        )


NOTHING: Final = Reading("", 0.0)


def _measured(key: Key, tally: Tally) -> Measured:
    name, labels = key
    return Measured(
        metric=name,
        labels=dict(labels),
        total=tally.total,
        count=tally.count,
        low=tally.low,
        high=tally.high,
        buckets=tuple(tally.buckets),
    )


def readings(registry: CollectorRegistry) -> Iterator[tuple[Key, Reading]]:
    """All that a registry has counted."""
    for family in registry.collect():
        if family.type == "histogram":
            yield from _histograms(family.name, family.samples)
        elif family.type in {"counter", "gauge"}:
            for sample in family.samples:
                yield (sample.name, tuple(sample.labels.items())), Reading(family.type, sample.value)


def _histograms(name: str, samples: Iterable[Any]) -> Iterator[tuple[Key, Reading]]:
    """For each set of labels the samples are its buckets, rising, then how many values there are, then their sum."""
    upto: list[int] = []
    for sample in samples:
        if sample.name.endswith("_bucket"):
            upto.append(int(sample.value))
        elif sample.name.endswith("_sum"):
            yield (name, tuple(sample.labels.items())), Reading("histogram", sample.value, upto[-1], tuple(upto))
            upto = []
