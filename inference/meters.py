"""Where metrics are counted: a Prometheus registry for each kind of process, and what an inference process counts in its own.

A counter of something rare is raised where it happens. What would have to be raised for every frame is not: `Watched` values
are looked at in the living objects when somebody reads the registry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from inference import metrics
from inference.metrics import Metric

MAX_VALUES: Final = 100
"""Of one label in one process. Models and languages are far fewer; more would be a mistake, and memory for good."""
OTHER: Final = "other"

Family = CounterMetricFamily | GaugeMetricFamily
Readings = Mapping[tuple[str, ...], float]
"""Values by those of the metric's labels, in their order."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began says nothing that a restart does not say


class Watched(Collector):
    """A metric that is looked at when somebody asks. `read` may be called from any thread."""

    def __init__(self, metric: Metric, read: Callable[[], Readings]) -> None:
        self._metric = metric
        self._read = read

    def collect(self) -> Iterable[Family]:
        kind = CounterMetricFamily if self._metric.kind == "counter" else GaugeMetricFamily
        family = kind(self._metric.name, self._metric.help, labels=self._metric.labels)
        for values, reading in self._read().items():
            family.add_metric(values, reading)
        return [family]


class Bounded:
    """Label values as they are counted: the first `MAX_VALUES` that come; what is not known or comes later is `other`."""

    def __init__(self, known: Iterable[str] | None = None) -> None:
        self._known = None if known is None else frozenset(known)
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if self._known is not None:
            return value if value in self._known else OTHER
        if value not in self._seen:
            if not value or len(self._seen) >= MAX_VALUES:
                return OTHER
            self._seen.add(value)
        return value


class Meters:
    """One registry. Every metric that is counted in it is made by `counter`, `gauge` or `histogram`, once."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.watch(metrics.CPU, _cpu_seconds)
        self.watch(metrics.MEMORY, _resident_bytes)

    def counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)

    def histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets)

    def watch(self, metric: Metric, read: Callable[[], Readings]) -> None:
        self.registry.register(Watched(metric, read))


class InferenceMeters(Meters):
    """What the recognition thread counts: a few numbers for each step of the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.num_waiting = 0
        self._model = Bounded()
        self._queue_age_s = self.histogram(metrics.QUEUE_AGE)
        self._batch_size = self.histogram(metrics.BATCH_SIZE)
        self._step_s = self.histogram(metrics.STEP)
        self.watch(metrics.QUEUE_LENGTH, lambda: {(): self.num_waiting})

    def stepped(self, model: str, ages_s: Sequence[float], took_s: float) -> None:
        """A step of the engine; ages_s: how long each of its streams had waited for it."""
        for age_s in ages_s:
            self._queue_age_s.observe(age_s)
        self._batch_size.observe(len(ages_s))
        self._step_s.labels(self._model(model)).observe(took_s)


def _cpu_seconds() -> Readings:
    times = psutil.Process().cpu_times()
    return {(): times.user + times.system}


def _resident_bytes() -> Readings:
    return {(): float(psutil.Process().memory_info().rss)}
