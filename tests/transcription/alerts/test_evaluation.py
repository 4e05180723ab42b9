"""Rules in the database: what each look makes of the samples there, from the first bad one until all is well again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

import pytest
from django.apps import apps

from inference.metrics import MEMORY
from tests.factories import make_user
from transcription.alerts import acknowledge, evaluate, forget_old, report_incident, resolve, settle_incident
from transcription.alerts.readings import past
from transcription.alerts.shipped import SHIPPED
from transcription.metrics import meters
from transcription.metrics.names import BY_NAME
from transcription.metrics.queries import described
from transcription.metrics.rollup import roll_up
from transcription.models import (
    AlertChannel,
    AlertDelivery,
    AlertEvent,
    AlertRule,
    AlertStanding,
    MetricSample,
    MetricSeries,
)

pytestmark = pytest.mark.django_db
START: Final = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
State = AlertEvent.State
Evaluate = Callable[..., None]


@pytest.fixture(autouse=True)
def no_other_rules() -> None:
    AlertRule.objects.all().delete()


@pytest.fixture
def channel() -> AlertChannel:
    return AlertChannel.objects.create(name="on call", target="oncall@example.org")


@pytest.fixture
def rule() -> AlertRule:
    """Inference processes that do not answer; looked at over half a minute."""
    fields: dict[str, Any] = {"metric": "hark_link_up", "aggregation": "min", "comparison": "<", "threshold": 1, "window_s": 30}
    return AlertRule.objects.create(name="A process is missing", cool_down_s=60, **fields)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """A look so many seconds after nine o'clock, when it is that late for everybody."""

    def looked(at_s: float) -> None:
        moment = START + timedelta(seconds=at_s)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
        evaluate(moment)

    return looked


def gauge(at_s: float, value: float, metric: str = "hark_link_up", **labels: str) -> None:
    """What a web process has seen in the ten seconds from then on."""
    series, _is_new = MetricSeries.objects.get_or_create(name=metric, node="web@here", labels=labels)
    at = START + timedelta(seconds=at_s)
    MetricSample.objects.create(series=series, resolution_s=10, at=at, total=value, count=1, low=value, high=value)


def standing(rule: AlertRule) -> str:
    return AlertStanding.objects.get(rule=rule).state


def told() -> list[str]:
    return list(AlertDelivery.objects.order_by("pk").values_list("what", flat=True))


def test_a_rule_fires_as_soon_as_its_samples_are_bad_and_is_over_when_they_are_fine(
    rule: AlertRule, channel: AlertChannel, look: Evaluate
) -> None:
    gauge(0, 1, worker="inference-0")
    look(12)
    assert standing(rule) == "ok"

    gauge(10, 0, worker="inference-1")
    look(22)
    event = AlertEvent.objects.get()
    assert (event.state, event.title, event.value, event.reason) == (State.OPEN, rule.name, 0, "value")
    assert event.detail == "worker=inference-1: 0"
    assert event.opened_at == START + timedelta(seconds=22)

    gauge(50, 1, worker="inference-1")
    look(62)
    event.refresh_from_db()
    assert (event.state, event.resolved_by, standing(rule)) == (State.RESOLVED, None, "ok")
    assert told() == ["firing", "resolved"]


def test_the_event_keeps_how_bad_it_was_and_what_the_rule_said(rule: AlertRule, look: Evaluate) -> None:
    rule.comparison, rule.threshold, rule.aggregation, rule.window_s = ">", 5, "max", 30
    rule.metric = "hark_recorder_waiting"
    rule.save()
    for at_s, value in ((0, 9), (30, 40), (70, 7)):
        gauge(at_s, value, "hark_recorder_waiting")
        look(at_s + 12)
    rule.threshold = 1_000
    rule.save()

    event = AlertEvent.objects.get()
    assert (event.value, event.peak, event.facts["threshold"]) == (7, 40, 5)


def test_a_rule_that_waits_goes_on_waiting_after_a_restart(rule: AlertRule, look: Evaluate) -> None:
    """Nothing is kept but what is in the database: each look is as good as that of another process."""
    AlertRule.objects.update(for_s=20)
    gauge(0, 0, worker="inference-0")
    look(11)
    assert standing(rule) == "pending"

    gauge(10, 0, worker="inference-0")
    look(21)
    assert not AlertEvent.objects.exists()
    look(31)

    assert standing(rule) == "firing"


def test_missing_data_are_a_state_and_an_alert_where_the_rule_says_so(rule: AlertRule, look: Evaluate) -> None:
    look(0)
    assert (standing(rule), AlertEvent.objects.count()) == ("no_data", 0)

    AlertRule.objects.update(no_data="alert")
    look(5)

    assert (AlertEvent.objects.get().reason, AlertEvent.objects.get().value) == ("no_data", None)


def counter(at_s: float, total: float, metric: str) -> None:
    series, _is_new = MetricSeries.objects.get_or_create(name=metric, node="web@here", labels={})
    MetricSample.objects.create(series=series, resolution_s=10, at=START + timedelta(seconds=at_s), total=total, count=1)


def test_a_share_of_few_is_no_alert(look: Evaluate) -> None:
    fields: dict[str, Any] = {"metric": "hark_session_errors_total", "per": "hark_sessions_started_total", "aggregation": "sum"}
    rule = AlertRule.objects.create(name="Errors", threshold=0.01, window_s=60, min_count=20, **fields)
    gauge(0, 1, metric=MEMORY.name)
    counter(0, 1, "hark_session_errors_total")
    counter(0, 19, "hark_sessions_started_total")
    look(12)
    assert standing(rule) == "no_data"

    counter(10, 1, "hark_sessions_started_total")
    look(22)
    assert (standing(rule), AlertEvent.objects.get().value) == ("firing", 0.05)

    roll_up()
    points, _step = past(rule, START - timedelta(minutes=1), START + timedelta(minutes=1))
    assert [value for _at, value in points] == [None, 0.05]
    AlertRule.objects.update(min_count=21)
    rule.refresh_from_db()
    points, _step = past(rule, START - timedelta(minutes=1), START + timedelta(minutes=1))
    assert [value for _at, value in points] == [None, None]


@pytest.mark.parametrize("min_count", [0, 5])
def test_a_metric_that_is_gone_is_missing_data(
    rule: AlertRule, look: Evaluate, caplog: pytest.LogCaptureFixture, min_count: int
) -> None:
    AlertRule.objects.update(metric="hark_gone", min_count=min_count)

    look(0)

    assert standing(rule) == "no_data"
    assert "There is no metric 'hark_gone'" in caplog.text


def test_a_rule_that_flaps_is_one_event_and_told_of_once_in_its_cool_down(
    rule: AlertRule, channel: AlertChannel, look: Evaluate
) -> None:
    AlertRule.objects.update(window_s=10)
    for number, value in enumerate([0, 1, 0, 1, 0, 0, 0, 0]):
        gauge(10 * number, value, worker="inference-0")
        look(10 * number + 10)

    event = AlertEvent.objects.get()
    assert (event.state, event.num_fired, event.is_flapping) == (State.OPEN, 3, True)
    assert told() == ["firing", "resolved", "firing"]


def test_nobody_is_told_again_of_what_somebody_sees_to(rule: AlertRule, channel: AlertChannel, look: Evaluate) -> None:
    alice = make_user("alice")
    AlertRule.objects.update(window_s=10)
    gauge(0, 0, worker="inference-0")
    look(10)

    assert acknowledge(AlertEvent.objects.get(), alice)
    assert not acknowledge(AlertEvent.objects.get(), make_user("bob"))
    for number, value in enumerate([1, 0, 0, 0, 0, 0, 0, 0, 0], start=1):
        gauge(10 * number, value, worker="inference-0")
        look(10 * number + 10)

    event = AlertEvent.objects.get()
    assert (event.state, event.acknowledged_by, event.num_fired) == (State.ACKNOWLEDGED, alice, 2)
    assert told() == ["firing", "resolved"]


def test_what_somebody_calls_over_stays_so_for_the_cool_down(rule: AlertRule, channel: AlertChannel, look: Evaluate) -> None:
    alice = make_user("alice")
    gauge(0, 0, worker="inference-0")
    look(10)

    assert resolve(AlertEvent.objects.get(), alice)
    assert not resolve(AlertEvent.objects.get(), alice)
    for at_s in (15, 25):
        look(at_s)

    event = AlertEvent.objects.get()
    assert (event.state, event.resolved_by, told()) == (State.RESOLVED, alice, ["firing", "resolved"])
    gauge(70, 0, worker="inference-0")
    look(81)
    assert AlertEvent.objects.unresolved().exists()


@pytest.mark.parametrize("deed", ["disable", "delete"])
def test_what_nobody_watches_any_more_is_over(rule: AlertRule, look: Evaluate, deed: str) -> None:
    gauge(0, 0, worker="inference-0")
    look(10)
    if deed == "delete":
        rule.delete()
    else:
        AlertRule.objects.update(is_enabled=False)

    look(15)

    assert AlertEvent.objects.get().state == State.RESOLVED


def test_a_look_of_another_worker_that_comes_late_changes_nothing(rule: AlertRule, look: Evaluate) -> None:
    gauge(0, 0, worker="inference-0")
    look(20)
    before = AlertStanding.objects.get()

    look(15)

    assert AlertStanding.objects.get().looked_at == before.looked_at


def test_the_channels_of_a_rule_are_told_and_the_usual_ones_of_rules_without(
    rule: AlertRule, channel: AlertChannel, look: Evaluate
) -> None:
    own = AlertChannel.objects.create(name="own", target="own@example.org", is_default=False)
    AlertChannel.objects.create(name="off", target="off@example.org", is_enabled=False)
    other = AlertRule.objects.create(name="other", metric="hark_link_up", aggregation="max", comparison="<", threshold=1)
    other.channels.add(own)
    gauge(0, 0, worker="inference-0")

    look(10)

    assert {(delivery.event.rule, delivery.channel) for delivery in AlertDelivery.objects.all() if delivery.event} == {
        (rule, channel),
        (other, own),
    }


def test_a_failure_that_no_rule_watches_is_told_once_and_again_when_all_is_well(channel: AlertChannel) -> None:
    for _time in range(3):
        report_incident("swap/7", "The swap of %(route)s to %(model)s failed", names={"route": "x", "model": "y"}, detail="No.")
    event = AlertEvent.objects.get()
    assert (str(event), event.num_fired, event.reason) == ("The swap of x to y failed", 3, "incident")

    settle_incident("swap/8")
    assert AlertEvent.objects.unresolved().exists()
    settle_incident("swap/7")

    assert told() == ["firing", "resolved"]


def test_each_look_tells_how_many_alerts_are_open(rule: AlertRule, look: Evaluate) -> None:
    AlertRule.objects.update(severity="critical")
    gauge(0, 0, worker="inference-0")
    look(10)

    read = meters.worker.registry.get_sample_value
    assert [read("hark_alerts_open", {"severity": severity}) for severity in ("info", "warning", "critical")] == [0, 0, 1]


def test_only_what_was_over_long_ago_is_forgotten(look: Evaluate) -> None:
    look(0)
    old = {"title": "x", "severity": "info", "resolved_at": START - timedelta(days=3)}
    AlertEvent.objects.create(state=State.RESOLVED, **old)
    AlertEvent.objects.create(state=State.OPEN, **old | {"resolved_at": None, "opened_at": START - timedelta(days=3)})

    assert forget_old(timedelta(days=2)) == 1
    assert AlertEvent.objects.get().state == State.OPEN


def test_the_rules_that_come_with_the_project_ask_for_what_is_measured() -> None:
    import_module("transcription.migrations.0008_alerts").make_rules(apps, None)

    rules = AlertRule.objects.all()
    assert {rule.name for rule in rules} == set(SHIPPED)
    for rule in rules:
        described(rule.metric, rule.aggregation, list(rule.labels))
        assert not rule.per or BY_NAME[rule.per].kind == "counter"
        rule.full_clean()
    assert MEMORY.name in {rule.metric for rule in rules}
