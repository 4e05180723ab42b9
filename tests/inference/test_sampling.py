"""What a registry counted, cut into intervals, on a clock of the test's own."""

from dataclasses import dataclass

import pytest

from inference import metrics, sampling
from inference.messages import Interval, Measured
from inference.meters import Meters
from inference.metrics import Metric
from inference.sampling import Sampler

CALLS = Metric("hark_test_calls_total", "counter", "Calls.", ("who",))
ROOM = Metric("hark_test_room", "gauge", "Room.")
TOOK = Metric("hark_test_took_seconds", "histogram", "Took.", buckets=(0.1, 1.0))


@dataclass
class Clock:
    now_s: float = 1_000_003.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meters() -> Meters:
    return Meters()


def measured(intervals: tuple[Interval, ...], metric: Metric) -> list[tuple[int, Measured]]:
    return [(each.at_s, found) for each in intervals for found in each.measured if found.metric == metric.name]


def look(sampler: Sampler, clock: Clock, at_s: float) -> None:
    clock.now_s = at_s
    sampler.look()


def test_an_increase_belongs_to_the_interval_in_which_it_came(meters: Meters, clock: Clock) -> None:
    calls = meters.counter(CALLS)
    sampler = Sampler(meters.registry, clock)
    look(sampler, clock, 1_000_010)
    calls.labels("anna").inc(2)
    look(sampler, clock, 1_000_015)
    calls.labels("anna").inc(3)
    look(sampler, clock, 1_000_020)
    calls.labels("bert").inc()
    look(sampler, clock, 1_000_025)
    found = [(at_s, each.labels["who"], each.total) for at_s, each in measured(sampler.since(0), CALLS)]
    assert found == [(1_000_010, "anna", 5), (1_000_020, "bert", 1)]


def test_what_was_counted_before_is_no_increase(meters: Meters, clock: Clock) -> None:
    meters.counter(CALLS).labels("anna").inc(7)
    sampler = Sampler(meters.registry, clock)
    look(sampler, clock, 1_000_010)
    assert measured(sampler.since(0), CALLS) == []


def test_the_first_interval_begins_after_the_process(meters: Meters, clock: Clock) -> None:
    room = meters.gauge(ROOM)
    sampler = Sampler(meters.registry, clock)
    room.set(4)
    look(sampler, clock, 1_000_008)
    assert [at_s for at_s, _found in measured(sampler.since(0), ROOM)] == [1_000_010]


def test_a_gauge_is_looked_at(meters: Meters, clock: Clock) -> None:
    room = meters.gauge(ROOM)
    sampler = Sampler(meters.registry, clock)
    for at_s, value in ((1_000_012, 4), (1_000_017, 9), (1_000_021, 6)):
        room.set(value)
        look(sampler, clock, at_s)
    assert measured(sampler.since(0), ROOM) == [
        (1_000_010, Measured(metric="hark_test_room", total=19, count=3, low=4, high=9)),
    ]


def test_a_histogram_counts_by_bucket(meters: Meters, clock: Clock) -> None:
    took = meters.histogram(TOOK)
    sampler = Sampler(meters.registry, clock)
    for value in (0.05, 0.5, 0.1, 7.0):
        took.observe(value)
        look(sampler, clock, 1_000_015)
    ((_at_s, found),) = measured(sampler.since(0), TOOK)
    assert (found.count, found.buckets) == (4, (2, 1, 1))
    assert found.total == pytest.approx(7.65)


def test_only_what_is_asked_for_is_told_and_only_so_much_is_kept(
    meters: Meters, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MAX_INTERVALS", 3)
    sampler = Sampler(meters.registry, clock)
    for at_s in range(1_000_010, 1_000_060, 10):
        look(sampler, clock, at_s)
        look(sampler, clock, at_s + 5)
    assert [each.at_s for each in sampler.since(0)] == [1_000_030, 1_000_040, 1_000_050]
    assert [each.at_s for each in sampler.since(1_000_040)] == [1_000_040, 1_000_050]


def test_every_process_says_what_it_costs(meters: Meters, clock: Clock) -> None:
    sampler = Sampler(meters.registry, clock)
    sum(number * number for number in range(200_000))  # some processor time
    look(sampler, clock, 1_000_010)
    ((_at, cpu),) = measured(sampler.since(0), metrics.CPU)
    ((_at, memory),) = measured(sampler.since(0), metrics.MEMORY)
    assert cpu.total > 0
    assert memory.total > 10_000_000
