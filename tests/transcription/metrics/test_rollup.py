"""Minutes of ten seconds, hours of minutes, and what is dropped."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from inference.metrics import MEMORY, Metric
from tests.transcription.metrics.written import report, write
from transcription.metrics import names
from transcription.metrics.queries import aggregate
from transcription.metrics.rollup import drop_old, roll_up
from transcription.models import MetricSample, MetricSeries

pytestmark = pytest.mark.django_db

TEN_S = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def hour() -> datetime:
    """The last hour that is over."""
    return timezone.now().replace(minute=0, second=0, microsecond=0) - HOUR


def samples(metric: Metric, resolution_s: int) -> list[MetricSample]:
    return list(MetricSample.objects.filter(series__name=metric.name, resolution_s=resolution_s).order_by("at"))


def test_a_minute_is_what_its_samples_came_to(hour: datetime) -> None:
    report(hour, hour + 2 * MINUTE)
    for number, values in enumerate([(0.22, 0.31), (0.22,), (3.2,)]):
        write(names.FINAL, hour + number * 3 * TEN_S, values=values, model="tiny")
        write(names.CONNECTIONS, hour + number * 3 * TEN_S, values=(number, number + 1))
        write(names.SESSIONS_STARTED, hour + number * 3 * TEN_S, total=number)
    roll_up()
    first, second = samples(names.FINAL, 60)
    assert (first.at, first.count) == (hour, 3)
    assert first.total == pytest.approx(0.75)
    assert first.buckets is not None
    assert (sum(first.buckets), first.buckets[names.FINAL.buckets.index(0.25)]) == (3, 2)
    assert (second.at, second.count) == (hour + MINUTE, 1)
    gauge, _ = samples(names.CONNECTIONS, 60)
    assert (gauge.total, gauge.count, gauge.low, gauge.high) == (4, 4, 0, 2)
    assert [each.total for each in samples(names.SESSIONS_STARTED, 60)] == [1, 2]
    (whole,) = samples(names.FINAL, 3600)
    assert (whole.at, whole.count, sum(whole.buckets or [])) == (hour, 4, 4)


def test_rolling_up_again_changes_nothing_and_takes_in_what_came_late(hour: datetime) -> None:
    report(hour, hour + 5 * MINUTE)
    write(names.SESSIONS_STARTED, hour, total=1)
    roll_up()
    roll_up()
    assert [each.total for each in samples(names.SESSIONS_STARTED, 60)] == [1]
    write(names.SESSIONS_STARTED, hour + TEN_S, total=2)
    roll_up()
    assert [each.total for each in samples(names.SESSIONS_STARTED, 60)] == [3]
    assert [each.total for each in samples(names.SESSIONS_STARTED, 3600)] == [3]


def test_a_minute_whose_samples_are_dropped_in_part_stays_whole(hour: datetime) -> None:
    report(hour, hour + 5 * MINUTE)
    for number in range(6):
        write(names.SESSIONS_STARTED, hour + number * TEN_S, total=1)
    roll_up()
    MetricSample.objects.filter(resolution_s=10, at__lt=hour + 3 * TEN_S).delete()
    roll_up()
    assert [each.total for each in samples(names.SESSIONS_STARTED, 60)] == [6]


def test_numbers_are_the_same_at_every_resolution(hour: datetime) -> None:
    report(hour, hour + 10 * MINUTE)
    for number in range(60):
        write(names.FINAL, hour + number * TEN_S, values=(0.1 + number / 100,), model="tiny")
    fine = aggregate("hark_final_seconds", "p95", window=HOUR, until=hour + HOUR)
    roll_up()
    for resolution_s, age in [(600, timedelta(days=20)), (3600, timedelta(days=70))]:
        for sample in samples(names.FINAL, resolution_s):
            MetricSample.objects.filter(pk=sample.pk).update(at=sample.at - age)
        coarse = aggregate("hark_final_seconds", "p95", window=HOUR, until=hour - age + HOUR)
        assert fine == pytest.approx(coarse), resolution_s


def test_samples_go_when_their_time_is_over(settings: Any, hour: datetime) -> None:
    settings.HARK_METRICS_KEEP_10S_HOURS, settings.HARK_METRICS_KEEP_1MIN_DAYS = 2, 1
    now = timezone.now()
    for resolution_s, age in [(10, HOUR), (10, 3 * HOUR), (60, 3 * HOUR), (60, 25 * HOUR), (3600, 25 * HOUR)]:
        write(MEMORY, now - age, values=(1.0,), resolution_s=resolution_s)
    write(names.CONNECTIONS, now - 3 * HOUR, values=(1.0,))
    drop_old()
    assert sorted((each.resolution_s, now - each.at) for each in MetricSample.objects.all()) == [
        (10, HOUR),
        (60, 3 * HOUR),
        (3600, 25 * HOUR),
    ]
    assert list(MetricSeries.objects.values_list("name", flat=True)) == [MEMORY.name]
