"""A process of Django stores what it measures."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from transcription.metrics import meters, nodes, process
from transcription.metrics.meters import WebMeters
from transcription.metrics.nodes import TooManyProcessesError, claim
from transcription.metrics.process import Reporter
from transcription.models import MetricSample

pytestmark = pytest.mark.django_db


def is_up(name: str) -> bool:
    value = meters.web.registry.get_sample_value(name)
    assert value is not None
    return bool(value)


@pytest.fixture
def reporter() -> Iterator[Reporter]:
    yield Reporter("web", WebMeters())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def test_a_round_stores_what_happened_since_the_last_one() -> None:
    measured = WebMeters()
    reporter = Reporter("web", measured)
    measured.sessions_ended.labels("failed").inc(2)
    reporter.once()
    measured.sessions_ended.labels("failed").inc()
    reporter.once()
    stored = MetricSample.objects.get(series__name="hark_sessions_ended_total")
    assert (stored.series.node.split("@")[0], stored.series.labels, stored.total) == ("web", {"outcome": "failed"}, 3)
    assert is_up("hark_database_up")
    assert is_up("hark_channel_layer_up")


def test_what_cannot_be_stored_is_stored_later(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_kind: str) -> str:
        raise OperationalError("away")

    monkeypatch.setattr(connections, "close_all", lambda: None)  # it is the test's own
    with monkeypatch.context() as away:
        away.setattr(process, "claim", fail)
        reporter.once()
        assert not is_up("hark_database_up")
    reporter.once()
    assert is_up("hark_database_up")
    assert MetricSample.objects.filter(series__name="hark_resident_memory_bytes").exists()


def test_valkey_that_does_not_answer_is_down(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter._valkey, "ping", lambda: (_ for _ in ()).throw(OSError()))
    reporter.once()
    assert not is_up("hark_channel_layer_up")


@pytest.mark.django_db(transaction=True)
def test_each_process_of_a_host_has_a_name_of_its_own(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HARK_NODE = "host"
    names: list[str] = []

    def other_process() -> None:
        names.append(claim("web"))
        connection.close()

    assert claim("web") == "web@host"
    for _ in range(2):  # a name is free again when its process is gone
        thread = threading.Thread(target=other_process)
        thread.start()
        thread.join()
    assert names == ["web@host-1", "web@host-1"]
    assert claim("worker") == "worker@host"
    monkeypatch.setattr(nodes, "MAX_PER_HOST", 1)
    refused: list[bool] = []

    def one_too_many() -> None:
        try:
            claim("web")
        except TooManyProcessesError:
            refused.append(True)
        connection.close()

    thread = threading.Thread(target=one_too_many)
    thread.start()
    thread.join()
    assert refused == [True]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
