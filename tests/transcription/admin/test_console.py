"""The console's pages: who may open them, what the charts are drawn from, and orders that are given to live sessions."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as ValkeyAway

from benchmarks.recorded import Series, fill_series
from tests.factories import make_session, make_user
from transcription.admin import console
from transcription.console.charts import CHARTS, RANGES, TILES
from transcription.metrics import names

pytestmark = pytest.mark.django_db
PAGES = ["/admin/console/overview/", "/admin/console/sessions/", "/admin/console/workers/"]
SERIES = "/admin/console/series/"


def of_group(name: str) -> Client:
    user = make_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """What the web processes were told."""
    told: list[tuple[Any, str]] = []

    async def note(session_id: Any, order: str) -> None:
        told.append((session_id, order))

    monkeypatch.setattr(console, "send_order", note)
    return told


@pytest.mark.parametrize("path", [*PAGES, SERIES])
def test_only_those_who_may_watch_open_the_console(client: Client, path: str) -> None:
    assert of_group("viewer").get(path).status_code == 200
    assert client.get(path)["Location"].startswith("/admin/login/")
    client.force_login(make_user("clerk", is_staff=True))
    assert client.get(path).status_code == 403


def test_the_console_is_offered_to_those_only_who_may_watch(client: Client) -> None:
    client.force_login(make_user("clerk", is_staff=True))

    assert PAGES[0] in of_group("viewer").get("/admin/").content.decode()
    assert PAGES[0] not in client.get("/admin/").content.decode()


def test_the_first_address_of_the_console_leads_to_its_overview(site: Client) -> None:
    assert site.get("/admin/console/")["Location"] == PAGES[0]


def test_every_range_is_drawn_from_what_was_stored(site: Client) -> None:
    with connection.cursor() as cursor:
        fill_series(cursor, Series(names.CONNECTIONS, "web@one", {}), timezone.now(), timedelta(hours=7))

    found = {key: site.get(SERIES, {"range": key}).json() for key in RANGES}

    assert all(len(data["charts"]) == len(CHARTS) and len(data["tiles"]) == len(TILES) for data in found.values())
    for key, data in found.items():
        (line, *_others) = data["charts"][0]["lines"]
        assert len(line["values"]) == len(data["at_s"]) <= 182, key
        assert any(line["values"]), key


def test_a_range_that_there_is_not_is_refused_with_those_that_there_are(site: Client) -> None:
    answer = site.get(SERIES, {"range": "a week"})

    assert answer.status_code == 400
    assert "15m, 1h, 6h" in answer.json()["error"]["message"]


@pytest.mark.parametrize("order", ["end", "drain"])
def test_an_operator_gives_an_order_and_it_is_written_down(orders: list[tuple[Any, str]], order: str) -> None:
    session = make_session(status="live", ended_at=None)

    answer = of_group("operator").post(f"/admin/console/sessions/{session.pk}/{order}/")

    assert answer.status_code == 202
    assert orders == [(session.pk, order)]
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("operator", str(session.pk))


def test_orders_are_for_operators_and_for_sessions_that_live(orders: list[tuple[Any, str]]) -> None:
    live, over = make_session(status="live", ended_at=None), make_session()
    viewer, operator = of_group("viewer"), of_group("operator")

    assert viewer.post(f"/admin/console/sessions/{live.pk}/end/").status_code == 403
    assert operator.get(f"/admin/console/sessions/{live.pk}/end/").status_code == 405
    assert operator.post(f"/admin/console/sessions/{live.pk}/shout/").status_code == 404
    assert operator.post(f"/admin/console/sessions/{over.pk}/end/").status_code == 404
    assert operator.post(f"/admin/console/sessions/{uuid4()}/end/").status_code == 404
    assert (orders, LogEntry.objects.count()) == ([], 0)


def test_an_order_needs_the_token_against_forgery(orders: list[tuple[Any, str]]) -> None:
    session = make_session(status="live", ended_at=None)
    operator = Client(enforce_csrf_checks=True)
    operator.cookies = of_group("operator").cookies

    assert operator.post(f"/admin/console/sessions/{session.pk}/end/").status_code == 403
    assert orders == []


def test_an_order_that_cannot_be_sent_is_told_and_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_session_id: Any, _order: str) -> None:
        raise ValkeyAway

    monkeypatch.setattr(console, "send_order", fail)
    session = make_session(status="live", ended_at=None)

    answer = of_group("operator").post(f"/admin/console/sessions/{session.pk}/end/")

    assert (answer.status_code, LogEntry.objects.count()) == (503, 0)
    assert "Valkey does not answer" in answer.json()["message"]
