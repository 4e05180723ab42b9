"""Reads samples from the database: for each series and step of time one row, made of its samples there."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Q

from inference.metrics import MEMORY, Metric
from transcription.metrics.names import measured_by
from transcription.metrics.resolution import Slots
from transcription.models import MetricSeries

NODE: Final = "node"
"""Asked for like a label: the process that measured."""

SAMPLES: Final = """
SELECT series_id,
       floor((extract(epoch FROM at) - %(since_s)s) / %(step_s)s)::bigint AS slot,
       sum(total), sum(count)::bigint, min(low), max(high),
       (array_agg(total / greatest(count, 1) ORDER BY at DESC))[1],
       {buckets}
  FROM transcription_metricsample
 WHERE series_id = ANY(%(series)s) AND resolution_s = %(resolution_s)s
   AND at >= to_timestamp(%(since_s)s) AND at < to_timestamp(%(until_s)s)
 GROUP BY series_id, slot
"""
SLOTS_SEEN: Final = """
SELECT floor((extract(epoch FROM at) - %(since_s)s) / %(step_s)s)::bigint AS slot, count(DISTINCT at)
  FROM transcription_metricsample
 WHERE series_id = ANY(%(series)s) AND resolution_s = %(resolution_s)s
   AND at >= to_timestamp(%(since_s)s) AND at < to_timestamp(%(until_s)s)
 GROUP BY slot
"""


class Row(NamedTuple):
    """What happened to one series in one step; `num` is its count, `newest` the mean of its last sample. See `MetricSample`."""

    series_id: int
    slot: int
    total: float
    num: int
    low: float | None
    high: float | None
    newest: float
    buckets: list[int] | None


def series_of(metric: Metric, labels: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """Those of `metric` that have `labels`, with all labels and their node. Of histograms those with the bounds of today."""
    wanted = Q(name=metric.name, bounds=list(metric.buckets))
    wanted &= Q(labels__contains={name: value for name, value in labels.items() if name != NODE})
    if NODE in labels:
        wanted &= Q(node=labels[NODE])
    found = MetricSeries.objects.filter(wanted).values_list("pk", "labels", "node")
    return {pk: {**own, NODE: node} for pk, own, node in found}


def rows_of(series: Iterable[int], slots: Slots, num_buckets: int) -> list[Row]:
    """num_buckets: of a histogram, the infinite one included; 0: it is none."""
    sums = ", ".join(f"sum(buckets[{number}])::bigint" for number in range(1, num_buckets + 1))
    query = SAMPLES.format(buckets=f"ARRAY[{sums}]" if sums else "NULL")
    return [Row(*row) for row in _asked(query, series, slots)]


def seconds_seen(metric: Metric, slots: Slots) -> dict[int, int]:
    """Step → for how much of it some process that measures `metric` has reported (s). Without any there is no data."""
    nodes = MetricSeries.objects.filter(name=MEMORY.name, node__startswith=measured_by(metric))
    counted = _asked(SLOTS_SEEN, nodes.values_list("pk", flat=True), slots)
    return {slot: min(num * slots.resolution_s, slots.step_s) for slot, num in counted}


def _asked(query: str, series: Iterable[int], slots: Slots) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {**slots._asdict(), "series": list(series)})
        return list(cursor.fetchall())
