"""Reads samples from the database: for each series and step of time one row, made of its samples there."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, TypeVar

from django.db import connection

from inference.metrics import MEMORY, Metric
from transcription.metrics.names import measured_by
from transcription.metrics.resolution import Slots
from transcription.models import MetricSeries

NODE: Final = "node"
"""Asked for like a label: the process that measured."""

SAMPLES: Final = """
SELECT series_id,
       floor((date_part('epoch', at) - %(since_s)s) / %(step_s)s)::bigint AS slot,
       sum(total), sum(count)::bigint, min(low), max(high),
       {newest}, {buckets}
  FROM transcription_metricsample
 WHERE series_id = ANY(%(series)s) AND resolution_s = %(resolution_s)s
   AND at >= to_timestamp(%(since_s)s) AND at < to_timestamp(%(until_s)s)
 GROUP BY series_id, slot
"""
NEWEST: Final = "(array_agg(total / greatest(count, 1) ORDER BY at DESC))[1]"
"""Only of gauges: it wants the samples sorted, which takes as long as all the rest."""
SLOTS_SEEN: Final = """
SELECT floor((date_part('epoch', at) - %(since_s)s) / %(step_s)s)::bigint AS slot, count(DISTINCT at)
  FROM transcription_metricsample
 WHERE series_id = ANY(%(series)s) AND resolution_s = %(resolution_s)s
   AND at >= to_timestamp(%(since_s)s) AND at < to_timestamp(%(until_s)s)
 GROUP BY slot
"""


class Row(NamedTuple):
    """What happened to one series in one step, see `MetricSample`. `newest`: the mean of the last sample, of gauges alone."""

    series_id: int
    slot: int
    total: float
    num: int
    low: float | None
    high: float | None
    newest: float | None
    buckets: list[int] | None


FoundT = TypeVar("FoundT")
_memory: ContextVar[dict[Hashable, Any] | None] = ContextVar("what was read", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """While many questions are asked about the same time, the same rows are read once for all of them."""
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def _once(key: Hashable, read: Callable[[], FoundT]) -> FoundT:
    memory = _memory.get()
    if memory is None:
        return read()
    if key not in memory:
        memory[key] = read()
    found: FoundT = memory[key]
    return found


class Known(NamedTuple):
    """A series as it is stored."""

    pk: int
    labels: dict[str, str]
    bounds: list[float]


def series_of(metric: Metric, labels: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """Those of `metric` that have `labels`, with all labels and their node. Of histograms those with the bounds of today."""
    bounds = list(metric.buckets)
    fitting = [each for each in _known(metric.name) if each.bounds == bounds]
    return {each.pk: each.labels for each in fitting if labels.items() <= each.labels.items()}


def _known(name: str) -> list[Known]:
    """All series of one metric; all there are, where many questions are asked."""
    stored = MetricSeries.objects.values_list("name", "pk", "labels", "node", "bounds")
    if _memory.get() is None:
        stored = stored.filter(name=name)
    every = _once("series", lambda: list(stored))
    return [Known(pk, {**own, NODE: node}, bounds) for each, pk, own, node, bounds in every if each == name]


def rows_of(metric: Metric, series: Iterable[int], slots: Slots) -> list[Row]:
    """`series`: of `metric`."""
    num_buckets = len(metric.buckets) + 1 if metric.buckets else 0
    sums = ", ".join(f"sum(buckets[{number}])::bigint" for number in range(1, num_buckets + 1))
    newest = NEWEST if metric.kind == "gauge" else "NULL"
    query = SAMPLES.format(newest=newest, buckets=f"ARRAY[{sums}]" if sums else "NULL")
    return [Row(*row) for row in _asked(query, series, slots)]


def seconds_seen(metric: Metric, slots: Slots) -> dict[int, int]:
    """Step → for how much of it some process that measures `metric` has reported (s). Without any there is no data."""
    nodes = [each.pk for each in _known(MEMORY.name) if each.labels[NODE].startswith(measured_by(metric))]
    counted = _asked(SLOTS_SEEN, nodes, slots)
    return {slot: min(num * slots.resolution_s, slots.step_s) for slot, num in counted}


def _asked(query: str, series: Iterable[int], slots: Slots) -> list[tuple[Any, ...]]:
    given = sorted(series)
    return _once((query, *given, slots), lambda: _fetched(query, {**slots._asdict(), "series": given})) if given else []


def _fetched(query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
