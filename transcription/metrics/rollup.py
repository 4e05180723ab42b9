"""Makes each longer sample of the next shorter ones; drops what is kept no longer. All of it may be repeated."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Max, Min
from django.utils import timezone

from inference.metrics import MEMORY
from transcription.metrics.names import EVERY
from transcription.metrics.resolution import RESOLUTIONS_S
from transcription.metrics.retention import kept
from transcription.models import MetricSample

LATE: Final = timedelta(minutes=20)
"""How late a sample may come: a process keeps a quarter of an hour."""

ROLL_UP: Final = """
INSERT INTO transcription_metricsample (series_id, resolution_s, at, total, count, low, high, buckets)
SELECT sample.series_id, %(to_s)s, date_bin(%(to)s, sample.at, to_timestamp(0)) AS slot,
       sum(total), sum(count), min(low), max(high), {buckets}
  FROM transcription_metricseries series JOIN transcription_metricsample sample ON sample.series_id = series.id
 WHERE cardinality(series.bounds) = %(num_bounds)s AND sample.resolution_s = %(from_s)s AND sample.at >= %(since)s
 GROUP BY sample.series_id, slot
    ON CONFLICT (series_id, resolution_s, at) DO UPDATE
   SET total = excluded.total, count = excluded.count, low = excluded.low, high = excluded.high, buckets = excluded.buckets
"""
DROP_SAMPLES: Final = """
DELETE FROM transcription_metricsample sample USING transcription_metricseries series
 WHERE sample.series_id = series.id AND sample.resolution_s = %s AND sample.at < %s
"""
DROP_SERIES: Final = """
DELETE FROM transcription_metricseries series
 WHERE NOT EXISTS (SELECT FROM transcription_metricsample sample WHERE sample.series_id = series.id)
"""


def roll_up() -> None:
    """Up to now: the last step of each length is not over, and is made again."""
    for from_s, to_s in zip(RESOLUTIONS_S, RESOLUTIONS_S[1:], strict=False):
        since = since_when(from_s, to_s)
        if since is None:
            return
        for num_bounds in sorted({len(metric.buckets) for metric in EVERY}):
            roll_up_alike(from_s, to_s, since, num_bounds)


def since_when(from_s: int, to_s: int) -> datetime | None:
    """The first step that may have changed, and of which every finer sample is still there; None: there are no samples.

    What every process reports always tells for all metrics.
    """
    samples = MetricSample.objects.filter(series__name=MEMORY.name)
    oldest = samples.filter(resolution_s=from_s).aggregate(at=Min("at"))["at"]
    if oldest is None:
        return None
    whole_s = math.ceil(oldest.timestamp() / to_s) * to_s
    made = samples.filter(resolution_s=to_s).aggregate(at=Max("at"))["at"]
    changed_s = 0 if made is None else (made - LATE).timestamp() // to_s * to_s
    return datetime.fromtimestamp(max(whole_s, changed_s), UTC)


def roll_up_alike(from_s: int, to_s: int, since: datetime, num_bounds: int) -> None:
    """Of all series with so many bounds; 0: of counters and gauges."""
    sums = ", ".join(f"sum(sample.buckets[{number}])::bigint" for number in range(1, num_bounds + 2))
    query = ROLL_UP.format(buckets=f"ARRAY[{sums}]" if num_bounds else "NULL::bigint[]")
    values: dict[str, Any] = {
        "from_s": from_s,
        "to_s": to_s,
        "to": timedelta(seconds=to_s),
        "since": since,
        "num_bounds": num_bounds,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, values)


def drop_old() -> None:
    """Samples that are kept no longer, and series that have none."""
    with connection.cursor() as cursor:
        for resolution_s, age in kept().items():
            cursor.execute(DROP_SAMPLES, [resolution_s, timezone.now() - age])
        cursor.execute(DROP_SERIES)
