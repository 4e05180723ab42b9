"""What inference processes measured is fetched from where the database left off."""

import time
from typing import Any

import pytest

from inference.client import measurements
from inference.errors import LinkLostError
from inference.messages import Interval, Measured, MetricsSnapshot
from inference.metrics import BATCH_SIZE, MEMORY
from inference.sampling import INTERVAL_S, MAX_INTERVALS
from transcription.metrics.collecting import collect
from transcription.models import MetricSample

pytestmark = pytest.mark.django_db


class Processes:
    """Two of them; `intervals` is what each answers with, by address. Those without do not answer."""

    def __init__(self) -> None:
        self.intervals: dict[str, tuple[Interval, ...]] = {}
        self.asked: list[tuple[str, float]] = []

    async def read(self, address: str, since_s: float) -> MetricsSnapshot:
        self.asked.append((address, since_s))
        if address not in self.intervals:
            raise LinkLostError(f"No inference process answers at {address}.")
        return MetricsSnapshot(intervals=self.intervals[address])


@pytest.fixture
def processes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Processes:
    settings.HARK_INFERENCE_ADDRESS = "unix:/one,unix:/two"
    found = Processes()
    monkeypatch.setattr(measurements, "read", found.read)
    return found


def interval(at_s: int, memory: float = 1.0) -> Interval:
    buckets = (1, *(0,) * len(BATCH_SIZE.buckets))
    batch = Measured(metric=BATCH_SIZE.name, total=1.0, count=1, buckets=buckets)
    return Interval(at_s=at_s, measured=(batch, Measured(metric=MEMORY.name, total=memory, count=1, low=memory, high=memory)))


def test_each_process_is_a_node_and_one_that_does_not_answer_holds_nobody_up(processes: Processes) -> None:
    now_s = int(time.time()) // INTERVAL_S * INTERVAL_S
    processes.intervals["unix:/two"] = (interval(now_s - INTERVAL_S), interval(now_s))
    collect()
    assert sorted(address for address, _since_s in processes.asked) == ["unix:/one", "unix:/two"]
    assert set(MetricSample.objects.values_list("series__node", flat=True)) == {"inference-1"}
    assert MetricSample.objects.filter(series__name=BATCH_SIZE.name).count() == 2


def test_it_goes_on_one_interval_before_the_newest_that_is_stored(processes: Processes) -> None:
    now_s = int(time.time()) // INTERVAL_S * INTERVAL_S
    processes.intervals["unix:/one"] = (interval(now_s - INTERVAL_S), interval(now_s, memory=3.0))
    collect()
    processes.asked.clear()
    processes.intervals["unix:/one"] = (interval(now_s, memory=7.0), interval(now_s + INTERVAL_S))
    collect()
    since_s = dict(processes.asked)
    assert since_s["unix:/one"] == now_s - INTERVAL_S
    assert time.time() - since_s["unix:/two"] == pytest.approx(MAX_INTERVALS * INTERVAL_S, abs=60)
    totals = MetricSample.objects.filter(series__name=MEMORY.name).order_by("at").values_list("total", flat=True)
    assert list(totals) == [1.0, 7.0, 1.0]
