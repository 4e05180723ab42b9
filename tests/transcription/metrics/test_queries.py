"""What was measured, as one number and as lines."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests.transcription.metrics.written import report, write
from transcription.metrics import names
from transcription.metrics.queries import Aggregation, aggregate, history

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
TEN_S = timedelta(seconds=10)


@pytest.fixture
def noon() -> datetime:
    """A whole hour that is over, of which everything is kept."""
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def test_quantiles_are_of_the_values_of_all_processes(noon: datetime) -> None:
    write(names.FINAL, noon, values=(0.22,) * 98, model="tiny")
    write(names.FINAL, noon + TEN_S, values=(0.95,) * 2, model="base", node="web@b")
    assert aggregate("hark_final_seconds", "p50", window=MINUTE, until=noon + MINUTE) == pytest.approx(0.2 + 0.05 * 50 / 98)
    assert aggregate("hark_final_seconds", "p99", window=MINUTE, until=noon + MINUTE) == pytest.approx(0.95)
    only = aggregate("hark_final_seconds", "p99", window=MINUTE, until=noon + MINUTE, labels={"model": "tiny"})
    assert only == pytest.approx(0.2 + 0.05 * 99 / 100)
    assert aggregate("hark_final_seconds", "mean", window=MINUTE, until=noon + MINUTE) == pytest.approx(0.2346)
    assert aggregate("hark_final_seconds", "sum", window=MINUTE, until=noon + MINUTE) == 100


def test_a_counter_is_its_increase(noon: datetime) -> None:
    report(noon, noon + MINUTE)
    write(names.SESSION_ERRORS, noon, total=2, code="internal")
    write(names.SESSION_ERRORS, noon + 3 * TEN_S, total=1, code="server_full", node="web@b")
    assert aggregate("hark_session_errors_total", "sum", window=MINUTE, until=noon + MINUTE) == 3
    assert aggregate("hark_session_errors_total", "rate", window=MINUTE, until=noon + MINUTE) == pytest.approx(0.05)
    assert aggregate("hark_session_errors_total", "sum", window=MINUTE, until=noon + MINUTE, labels={"node": "web@b"}) == 1


def test_what_lies_outside_of_the_window_does_not_count(noon: datetime) -> None:
    report(noon - MINUTE, noon + 2 * MINUTE)
    write(names.SESSIONS_STARTED, noon - TEN_S, total=1)
    write(names.SESSIONS_STARTED, noon, total=2)
    write(names.SESSIONS_STARTED, noon + MINUTE, total=4)
    assert aggregate("hark_sessions_started_total", "sum", window=MINUTE, until=noon + MINUTE) == 2


def test_nothing_counted_is_zero_where_somebody_would_have_counted_and_no_data_where_nobody_did(noon: datetime) -> None:
    report(noon, noon + MINUTE, node="inference-0")
    assert aggregate("hark_session_errors_total", "sum", window=MINUTE, until=noon + MINUTE) is None
    report(noon, noon + MINUTE, node="web@a")
    assert aggregate("hark_session_errors_total", "sum", window=MINUTE, until=noon + MINUTE) == 0
    assert aggregate("hark_final_seconds", "p99", window=MINUTE, until=noon + MINUTE) is None


def test_errors_per_session_are_the_quotient_of_both_increases(noon: datetime) -> None:
    report(noon, noon + MINUTE)

    def share() -> float | None:
        return aggregate(
            "hark_session_errors_total", "sum", window=MINUTE, until=noon + MINUTE, per="hark_sessions_started_total"
        )

    assert share() is None
    write(names.SESSIONS_STARTED, noon, total=40)
    assert share() == 0
    write(names.SESSION_ERRORS, noon, total=1, code="internal")
    assert share() == pytest.approx(0.025)


def test_a_gauge_is_what_was_seen(noon: datetime) -> None:
    write(names.CONNECTIONS, noon, values=(2, 4))
    write(names.CONNECTIONS, noon + 2 * TEN_S, values=(6, 8))
    write(names.CONNECTIONS, noon + 2 * TEN_S, values=(1, 1), node="web@b")
    expected: dict[Aggregation, float] = {"mean": 22 / 6, "min": 1, "max": 8, "sum": 6, "last": 8}
    for how, value in expected.items():
        assert aggregate("hark_connections", how, window=MINUTE, until=noon + 4 * TEN_S) == pytest.approx(value), how


def test_the_newest_of_a_process_that_is_gone_does_not_count(noon: datetime) -> None:
    write(names.CONNECTIONS, noon, values=(5,), node="web@gone")
    write(names.CONNECTIONS, noon + 50 * TEN_S, values=(3,))
    assert aggregate("hark_connections", "last", window=timedelta(hours=1), until=noon + 51 * TEN_S) == 3


def test_a_line_has_a_point_for_each_step(noon: datetime) -> None:
    report(noon, noon + 2 * TEN_S)
    write(names.SEGMENTS, noon + TEN_S, total=3, model="tiny", language="en")
    (line,) = history("hark_segments_total", "sum", since=noon, until=noon + 3 * TEN_S, step=TEN_S)
    moments = [noon.astimezone(UTC) + number * TEN_S for number in range(3)]
    assert line.points == list(zip(moments, [0, 3, None], strict=True))


def test_there_is_a_line_for_each_value_of_a_label(noon: datetime) -> None:
    report(noon, noon + TEN_S)
    for model in ("tiny", "base"):
        write(names.FINAL, noon, values=(0.22, 0.23), model=model)
    lines = history("hark_final_seconds", "p50", since=noon, until=noon + TEN_S, step=TEN_S, by=["model"])
    assert [line.labels for line in lines] == [{"model": "base"}, {"model": "tiny"}]
    (by_node,) = history("hark_final_seconds", "rate", since=noon, until=noon + TEN_S, step=TEN_S, by=["node"])
    assert (by_node.labels, by_node.points[0][1]) == ({"node": "web@a"}, 0.4)


def test_older_times_are_read_from_what_was_rolled_up(noon: datetime) -> None:
    day = noon - timedelta(days=3)
    write(names.CONNECTIONS, day, values=(7,))
    write(names.CONNECTIONS, day, values=(5, 5), resolution_s=60)
    (line,) = history("hark_connections", "max", since=day, until=day + timedelta(hours=1), step=TEN_S)
    assert (len(line.points), line.points[0][1]) == (60, 5)


@pytest.mark.parametrize(
    ("metric", "how", "labels", "complaint"),
    [
        ("hark_nothing", "sum", {}, "There is no metric 'hark_nothing'"),
        ("hark_connections", "p99", {}, "'p99' cannot be asked of the gauge"),
        ("hark_final_seconds", "p99", {"language": "en"}, "has no label language; it has model, node"),
    ],
)
def test_what_cannot_be_asked_is_said(metric: str, how: Aggregation, labels: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        aggregate(metric, how, window=MINUTE, until=timezone.now(), labels=labels)
