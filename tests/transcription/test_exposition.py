"""/metrics: who may read it, in which forms, and that it needs no free thread; nor a database, which no test here may ask."""

import asyncio
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from asr_project.asgi import http_application
from asr_project.http_slots import HttpSlots
from transcription.metrics.names import WEB

AWAY = "203.0.113.7"


@pytest.fixture(autouse=True)
def closed_to_others(settings: Any) -> None:
    settings.HARK_METRICS_ALLOWED, settings.HARK_METRICS_TOKEN, settings.HARK_TRUSTED_PROXIES = [], "", []


def status(address: str, **headers: str) -> int:
    return int(Client().get("/metrics", REMOTE_ADDR=address, headers=headers).status_code)


def test_this_machine_may_read_and_no_other() -> None:
    assert (status("127.0.0.1"), status("::1"), status(AWAY), status("")) == (200, 200, 403, 403)


def test_a_proxy_on_this_machine_does_not_make_its_clients_local() -> None:
    assert status("127.0.0.1", x_forwarded_for="127.0.0.1") == 403


def test_networks_that_are_named_may_read(settings: Any) -> None:
    settings.HARK_METRICS_ALLOWED = ["203.0.113.0/24", "unix"]
    assert (status(AWAY), status("203.0.114.7"), status("")) == (200, 403, 200)
    assert status(AWAY, x_forwarded_for="10.0.0.1") == 403


def test_behind_a_trusted_proxy_the_client_counts(settings: Any) -> None:
    settings.HARK_METRICS_ALLOWED, settings.HARK_TRUSTED_PROXIES = ["203.0.113.0/24"], ["127.0.0.1"]
    assert status("127.0.0.1", x_forwarded_for=AWAY) == 200
    assert status("127.0.0.1", x_forwarded_for="198.51.100.1") == 403
    assert status("127.0.0.1", x_forwarded_for=f"{AWAY}, 198.51.100.1") == 403


def test_the_token_opens_from_anywhere(settings: Any) -> None:
    settings.HARK_METRICS_TOKEN = "s3cret"
    assert status(AWAY, authorization="Bearer s3cret") == 200
    assert status(AWAY, authorization="Bearer guess") == 403
    assert status(AWAY) == 403


def test_without_a_token_in_the_settings_none_opens() -> None:
    assert status(AWAY, authorization="Bearer ") == 403


def test_a_refusal_says_what_to_do() -> None:
    answer = Client().get("/metrics", REMOTE_ADDR=AWAY)
    assert "HARK_METRICS_TOKEN" in answer.content.decode()


def test_both_formats_can_be_read_by_what_reads_them() -> None:
    plain = Client().get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain")
    found = {family.name for family in parse(plain.content.decode())}
    open_metrics = Client().get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    read = parse_openmetrics(open_metrics.content.decode())  # type: ignore[no-untyped-call]  # this one has no types
    assert found == {family.name for family in read}
    assert found >= {metric.name.removesuffix("_total") for metric in WEB}


async def test_it_is_answered_while_every_thread_is_taken() -> None:
    taken = asyncio.Event()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            taken.set()
            await asyncio.Event().wait()
        await http_application(scope, receive, send)

    slots = HttpSlots(application, 1)
    slow = HttpCommunicator(slots, "GET", "/slow")
    waiting = asyncio.ensure_future(slow.get_response(timeout=30))
    await taken.wait()
    scrape = HttpCommunicator(slots, "GET", "/metrics", headers=[(b"host", b"localhost")])
    scrape.scope["client"] = ("127.0.0.1", 50_000)
    assert (await scrape.get_response(timeout=10))["status"] == 200
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
