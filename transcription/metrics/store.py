"""Stores intervals in PostgreSQL. Every write may be repeated: a sample is what its interval came to."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection, transaction

from inference.messages import Interval, Measured
from inference.sampling import INTERVAL_S
from transcription.metrics.names import BY_NAME
from transcription.models import MetricSeries

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]

UPSERT: Final = """
INSERT INTO transcription_metricsample (series_id, resolution_s, at, total, count, low, high, buckets)
SELECT series_id, %s, at, total, count, low, high, buckets::bigint[]
  FROM unnest(%s::bigint[], %s::timestamptz[], %s::float8[], %s::bigint[], %s::float8[], %s::float8[], %s::text[])
    AS given(series_id, at, total, count, low, high, buckets)
    ON CONFLICT (series_id, resolution_s, at) DO UPDATE
   SET total = excluded.total, count = excluded.count, low = excluded.low, high = excluded.high, buckets = excluded.buckets
"""


class Store:
    """Of one node. Remembers its series, so that storing is one statement."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._series: dict[SeriesKey, int] = {}

    def write(self, intervals: Iterable[Interval]) -> None:
        """Store them, or nothing of it.

        Raises:
            DatabaseError, InterfaceError: PostgreSQL does not answer.
        """
        found = [(interval.at_s, each) for interval in intervals for each in interval.measured if each.metric in BY_NAME]
        if not found:
            return
        try:
            with transaction.atomic():
                self._look_up(each for _at_s, each in found)
                self._write(found)
        except (DatabaseError, InterfaceError):
            self._series.clear()  # what was made in it is not there
            raise

    def _write(self, found: Sequence[tuple[int, Measured]]) -> None:
        columns: list[list[Any]] = [
            [self._series[_key(each)] for _at_s, each in found],
            [datetime.fromtimestamp(at_s, UTC) for at_s, _each in found],
            [float(each.total) for _at_s, each in found],
            [each.count for _at_s, each in found],
            [None if each.low is None else float(each.low) for _at_s, each in found],
            [None if each.high is None else float(each.high) for _at_s, each in found],
            [f"{{{','.join(map(str, each.buckets))}}}" if each.buckets else None for _at_s, each in found],
        ]
        with connection.cursor() as cursor:
            cursor.execute(UPSERT, [INTERVAL_S, *columns])

    def _look_up(self, found: Iterable[Measured]) -> None:
        new = {key: each for each in found if (key := _key(each)) not in self._series}
        if not new:
            return
        rows = [
            MetricSeries(name=each.metric, node=self.node, labels=each.labels, bounds=list(BY_NAME[each.metric].buckets))
            for each in new.values()
        ]
        MetricSeries.objects.bulk_create(rows, ignore_conflicts=True)
        names = {each.metric for each in new.values()}
        for row in MetricSeries.objects.filter(node=self.node, name__in=names):
            if row.bounds == list(BY_NAME[row.name].buckets):
                self._series[row.name, tuple(sorted(row.labels.items()))] = row.pk


def _key(measured: Measured) -> SeriesKey:
    return measured.metric, tuple(sorted(measured.labels.items()))
