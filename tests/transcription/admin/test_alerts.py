"""Alerts in the admin site: rules tried before they are saved, alerts seen to, notices sent again, and who may do what."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from tests.factories import make_user
from transcription.models import AlertChannel, AlertDelivery, AlertEvent, AlertRule, MetricSample, MetricSeries

pytestmark = pytest.mark.django_db
BASE = "/admin/transcription"
SignIn = Callable[[str], Client]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the channels that were handed to Celery."""
    handed: list[int] = []
    monkeypatch.setattr(
        "transcription.alerts.notices.delivery.current_app.send_task", lambda _name, args, **_options: handed.append(args[0])
    )
    return handed


@pytest.fixture(autouse=True)
def no_other_rules() -> None:
    AlertRule.objects.all().delete()


@pytest.fixture
def member() -> SignIn:
    """Somebody of a group, signed in; the groups as migrations make them."""
    import_module("transcription.migrations.0006_roles").make_groups(apps, None)
    import_module("transcription.migrations.0008_alerts").extend_groups(apps, None)

    def sign_in(group: str) -> Client:
        user = make_user(f"a-{group}", is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def root() -> User:
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def site(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def event() -> AlertEvent:
    return AlertEvent.objects.create(title="Too late", severity="warning", value=0.9, facts={})


def rule_form(**changes: Any) -> dict[str, Any]:
    fields = {
        "name": "Much waits",
        "severity": "warning",
        "is_enabled": "on",
        "metric": "hark_recorder_waiting",
        "aggregation": "max",
        "labels": "",
        "per": "",
        "min_count": "0",
        "comparison": ">",
        "threshold": "100",
        "window_s": "300",
        "for_s": "0",
        "no_data": "ignore",
        "cool_down_s": "900",
    }
    return fields | changes


def samples_of_last_day(spike: float) -> None:
    """A minute each, all of them 10, but two hours of `spike`."""
    series = MetricSeries.objects.create(name="hark_recorder_waiting", node="web@here")
    now = timezone.now().replace(second=0, microsecond=0)
    minutes = [(now - timedelta(minutes=minute), spike if 300 <= minute < 420 else 10.0) for minute in range(1, 1_440)]
    MetricSample.objects.bulk_create(
        MetricSample(series=series, resolution_s=60, at=at, total=value, count=1, low=value, high=value) for at, value in minutes
    )


def text_of(response: Any) -> str:
    assert response.status_code == 200
    text: str = response.content.decode()
    return text


# --- Rules


def test_a_rule_is_saved_as_it_was_entered(site: Client) -> None:
    form = rule_form(metric="hark_segments_total", aggregation="rate", labels="model=light, node=web@here")
    response = site.post(f"{BASE}/alertrule/add/", form)

    assert response.status_code == 302, text_of(response)
    rule = AlertRule.objects.get()
    assert (rule.labels, rule.threshold, rule.is_shipped) == ({"model": "light", "node": "web@here"}, 100, False)
    page = text_of(site.get(f"{BASE}/alertrule/{rule.pk}/change/"))
    assert "model=light, node=web@here" in page


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"aggregation": "p99"}, "cannot be asked of the gauge"),
        ({"labels": "model=light"}, "has no label model"),
        ({"labels": "model"}, "Expected names and values"),
        ({"per": "hark_sessions_started_total"}, "Only the sum of a counter"),
        ({"min_count": "5"}, "A gauge counts nothing"),
        ({"metric": "hark_gone"}, "hark_gone"),
        ({"threshold": "nan"}, "Enter a number"),
        ({"threshold": ""}, "required"),
        ({"window_s": "5"}, "greater than or equal to 30"),
    ],
)
def test_a_rule_that_could_never_be_measured_is_refused(site: Client, changes: dict[str, str], complaint: str) -> None:
    page = text_of(site.post(f"{BASE}/alertrule/add/", rule_form(**changes)))

    assert complaint in page
    assert not AlertRule.objects.exists()


def test_a_rule_is_tried_on_the_last_day_before_it_is_saved(site: Client) -> None:
    samples_of_last_day(spike=500)

    page = text_of(site.post(f"{BASE}/alertrule/test/", rule_form()))

    assert "It would have fired in the last day. Times: 1. Notices: 2." in page
    assert "<td>500</td>" in page
    assert "<polyline" in page
    assert not AlertRule.objects.exists()


def test_a_stored_rule_is_tried_as_it_stands_in_the_form(site: Client) -> None:
    samples_of_last_day(spike=500)
    rule = AlertRule.objects.create(name="x", metric="hark_recorder_waiting", aggregation="max", threshold=1, is_shipped=True)

    page = text_of(site.post(f"{BASE}/alertrule/test/", rule_form(threshold="600", rule_number=rule.pk)))

    assert "It would not have fired in the last day." in page
    rule.refresh_from_db()
    assert rule.threshold == 1


def test_trying_a_rule_says_when_nothing_was_measured_and_what_is_wrong_with_it(site: Client) -> None:
    assert "Nothing was measured" in text_of(site.post(f"{BASE}/alertrule/test/", rule_form()))
    assert "cannot be asked of the gauge" in text_of(site.post(f"{BASE}/alertrule/test/", rule_form(aggregation="p50")))


def test_what_comes_with_the_project_is_disabled_but_not_deleted(site: Client) -> None:
    import_module("transcription.migrations.0008_alerts").make_rules(apps, None)
    rule = AlertRule.objects.get(name="Final texts are late")
    address = f"{BASE}/alertrule/{rule.pk}"

    assert site.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    form = rule_form(metric=rule.metric, aggregation="p99", threshold="0.8", is_enabled="")
    assert site.post(f"{address}/change/", form).status_code == 302

    rule.refresh_from_db()
    assert (rule.name, rule.threshold, rule.is_enabled) == ("Final texts are late", 0.8, False)


# --- Alerts


def test_an_operator_acknowledges_an_alert_and_calls_it_over(member: SignIn, event: AlertEvent) -> None:
    operator = member("operator")

    operator.post(f"{BASE}/alertevent/{event.pk}/acknowledge/")
    event.refresh_from_db()
    assert (event.state, str(event.acknowledged_by)) == ("acknowledged", "a-operator")
    again = operator.post(f"{BASE}/alertevent/{event.pk}/acknowledge/", follow=True)
    assert "Somebody else was faster." in text_of(again)

    operator.post(f"{BASE}/alertevent/{event.pk}/resolve/")
    event.refresh_from_db()
    assert (event.state, str(event.resolved_by)) == ("resolved", "a-operator")
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == ["Acknowledged.", "Called over by hand."]


def test_the_first_page_shows_open_alerts_to_those_who_may_see_them(member: SignIn, event: AlertEvent) -> None:
    AlertEvent.objects.create(title="Over", severity="info", state="resolved")

    assert "Too late" in text_of(member("viewer").get("/admin/"))
    assert "Over</a>" not in text_of(member("operator").get("/admin/"))
    stranger = make_user("stranger", is_staff=True)
    client = Client()
    client.force_login(stranger)
    assert "Too late" not in text_of(client.get("/admin/"))


def test_several_alerts_are_acknowledged_at_once(site: Client, event: AlertEvent) -> None:
    other = AlertEvent.objects.create(title="Other", severity="info")

    site.post(f"{BASE}/alertevent/", {"action": "acknowledge_selected", "_selected_action": [event.pk, other.pk]})

    assert set(AlertEvent.objects.values_list("state", flat=True)) == {"acknowledged"}


def test_the_page_of_an_alert_says_what_happened_and_who_was_told(site: Client) -> None:
    rule = AlertRule.objects.create(name="Late", metric="hark_final_seconds", aggregation="p99", threshold=0.5)
    facts: dict[str, Any] = {
        "metric": "hark_final_seconds",
        "aggregation": "p99",
        "per": "",
        "min_count": "0",
        "labels": {"model": "x"},
        "comparison": ">",
    }
    facts |= {"threshold": 0.5, "window_s": 300, "for_s": 0}
    event = AlertEvent.objects.create(
        rule=rule, title="Late", severity="critical", value=0.7, peak=1.25, num_fired=4, facts=facts, detail="model=x: 700 ms"
    )
    channel = AlertChannel.objects.create(name="hook", kind="webhook", target="https://example.org")
    AlertDelivery.objects.create(event=event, channel=channel, what="firing", state="failed", error="Answered 500.")

    page = text_of(site.get(f"{BASE}/alertevent/{event.pk}/change/"))

    assert "p99 hark_final_seconds{model=x} &gt; 500 ms (300 s)" in page
    assert page.count("700 ms") == 2  # in no field of the theme, which has variables of its own
    assert all(words in page for words in ("Value: 700 ms, worst: 1.25 s", "model=x: 700 ms", "flapping", "Answered 500."))


@pytest.mark.parametrize(("deed", "group"), [("acknowledge", "viewer"), ("resolve", "viewer")])
def test_a_viewer_sees_alerts_and_changes_none(member: SignIn, event: AlertEvent, deed: str, group: str) -> None:
    client = member(group)

    page = text_of(client.get(f"{BASE}/alertevent/{event.pk}/change/"))

    assert "Too late" in page
    assert "It is over" not in page
    assert client.post(f"{BASE}/alertevent/{event.pk}/{deed}/").status_code == 403
    event.refresh_from_db()
    assert event.state == "open"


def test_nobody_writes_the_record_of_alerts(site: Client, event: AlertEvent) -> None:
    assert site.post(f"{BASE}/alertevent/add/", {}).status_code == 403
    assert site.post(f"{BASE}/alertevent/{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert site.get(f"{BASE}/alertevent/{event.pk}/resolve/").status_code == 405


@pytest.mark.parametrize(
    ("group", "pages"),
    [
        ("viewer", {"alertevent", "alertrule"}),
        ("operator", {"alertevent", "alertrule", "alertdelivery"}),
        ("administrator", {"alertevent", "alertrule", "alertdelivery", "alertchannel"}),
    ],
)
def test_who_may_see_what(member: SignIn, group: str, pages: set[str]) -> None:
    client = member(group)
    every = ("alertevent", "alertrule", "alertdelivery", "alertchannel")

    assert {page for page in every if client.get(f"{BASE}/{page}/").status_code == 200} == pages
    assert (client.get(f"{BASE}/alertrule/add/").status_code == 200) == (group == "administrator")
    assert (client.post(f"{BASE}/alertrule/test/", rule_form()).status_code == 200) == (group == "administrator")


# --- Channels


def channel_form(**changes: str) -> dict[str, str]:
    fields = {"name": "hook", "kind": "webhook", "target": "https://example.org/x", "secret": "s" * 40, "language": "en"}
    return fields | {"is_default": "on", "is_enabled": "on"} | changes


def test_a_channel_is_made_with_a_secret_of_its_own(site: Client) -> None:
    page = text_of(site.get(f"{BASE}/alertchannel/add/"))
    assert page.count('name="secret"') == 1

    assert site.post(f"{BASE}/alertchannel/add/", channel_form()).status_code == 302
    assert AlertChannel.objects.get().secret == "s" * 40


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"target": "ftp://example.org"}, "This is no URL"),
        ({"target": "https://me:secret@example.org"}, "Put no password into the URL"),
        ({"kind": "email", "target": "a@example.org, nobody"}, "nobody is no e-mail address"),
        ({"kind": "email", "target": "a@example.org"}, "EMAIL_HOST is not set"),
        ({"secret": ""}, "required"),
    ],
)
def test_a_channel_that_could_never_deliver_is_refused(site: Client, changes: dict[str, str], complaint: str) -> None:
    assert complaint in text_of(site.post(f"{BASE}/alertchannel/add/", channel_form(**changes)))
    assert not AlertChannel.objects.exists()


def test_a_channel_is_tried_and_what_was_given_up_is_sent_again(site: Client, sent: list[int]) -> None:
    channel = AlertChannel.objects.create(name="hook", kind="webhook", target="https://example.org")

    page = site.post(f"{BASE}/alertchannel/{channel.pk}/try/", follow=True)
    assert "A trial is on its way." in text_of(page)
    AlertDelivery.objects.update(state="failed", num_attempts=8, next_at=None, error="Answered 500.")
    delivery = AlertDelivery.objects.get()
    site.post(f"{BASE}/alertdelivery/", {"action": "send_again", "_selected_action": [delivery.pk]})

    delivery.refresh_from_db()
    assert (delivery.state, delivery.num_attempts, sent) == ("waiting", 0, [channel.pk, channel.pk])
