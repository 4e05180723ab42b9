"""Intervals are stored as what they came to, however often."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext

from inference import metrics
from inference.messages import Interval, Measured
from transcription.metrics import names
from transcription.metrics.store import Store
from transcription.models import MetricSample, MetricSeries

pytestmark = pytest.mark.django_db

AT_S = 1_800_000_000


def interval(*measured: Measured, at_s: int = AT_S) -> Interval:
    return Interval(at_s=at_s, measured=measured)


def ended(total: float, outcome: str = "complete") -> Measured:
    return Measured(metric=names.SESSIONS_ENDED.name, labels={"outcome": outcome}, total=total)


def test_a_sample_says_what_was_measured() -> None:
    buckets = (3, *(0,) * len(names.FINAL.buckets))
    final = Measured(metric=names.FINAL.name, labels={"model": "tiny"}, total=0.06, count=3, buckets=buckets)
    memory = Measured(metric=metrics.MEMORY.name, total=30, count=2, low=10, high=20)
    Store("web@a").write([interval(final, memory)])
    stored = MetricSample.objects.get(series__name="hark_final_seconds")
    assert (stored.series.node, stored.series.labels, stored.series.bounds) == (
        "web@a",
        {"model": "tiny"},
        list(names.FINAL.buckets),
    )
    assert (stored.at, stored.resolution_s, stored.count, stored.total) == (datetime.fromtimestamp(AT_S, UTC), 10, 3, 0.06)
    assert stored.buckets == list(buckets)
    gauge = MetricSample.objects.get(series__name="hark_resident_memory_bytes")
    assert (gauge.total, gauge.count, gauge.low, gauge.high, gauge.buckets) == (30, 2, 10, 20, None)


def test_what_is_stored_again_replaces_what_was_stored() -> None:
    store = Store("web@a")
    store.write([interval(ended(2))])
    store.write([interval(ended(5)), interval(ended(1), at_s=AT_S + 10)])
    Store("web@a").write([interval(ended(5))])
    assert list(MetricSample.objects.order_by("at").values_list("total", flat=True)) == [5, 1]
    assert MetricSeries.objects.count() == 1


def test_series_differ_by_labels_and_by_process() -> None:
    Store("web@a").write([interval(ended(1), ended(2, "failed"))])
    Store("web@b").write([interval(ended(4))])
    found = MetricSample.objects.values_list("series__node", "series__labels__outcome", "total")
    assert sorted(found) == [("web@a", "complete", 1), ("web@a", "failed", 2), ("web@b", "complete", 4)]


def test_known_series_are_not_looked_up_again() -> None:
    store = Store("web@a")
    store.write([interval(ended(1))])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        store.write([interval(ended(2))])
    assert len([query for query in queries.captured_queries if "SAVEPOINT" not in query["sql"]]) == 1


def test_a_write_that_fails_leaves_no_series_behind_that_it_believes_in() -> None:
    store = Store("web@a")
    with pytest.raises(DataError):
        store.write([interval(Measured(metric=names.SESSIONS_STARTED.name, total=1, count=2**70))])
    store.write([interval(Measured(metric=names.SESSIONS_STARTED.name, total=1))])
    assert MetricSample.objects.get().total == 1


def test_a_metric_that_this_version_does_not_know_is_left_out() -> None:
    Store("inference-0").write([interval(Measured(metric="hark_of_tomorrow", total=1))])
    assert not MetricSeries.objects.exists()
