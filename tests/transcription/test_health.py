"""/healthz and /readyz: quick and honest, whatever hangs."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings

from inference.messages import WorkerStatus
from transcription import health, recognizer
from transcription.streaming import draining


@pytest.fixture(autouse=True)
def one_of_two_processes_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognizer, "worker_readiness", lambda: {"inference-0": True, "inference-1": False})


@pytest.fixture
def warm_model(monkeypatch: pytest.MonkeyPatch) -> None:
    async def current_status() -> WorkerStatus:
        return WorkerStatus(node="a", is_ready=True)

    monkeypatch.setattr(recognizer, "current_status", current_status)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def readiness() -> tuple[int, dict[str, dict[str, object]], str]:
    """Status code, checks, and the whole body of /readyz."""
    response = await AsyncClient().get("/readyz")
    body = json.loads(response.content)
    assert body["status"] == ("ready" if response.status_code == 200 else "not_ready")
    return response.status_code, body["checks"], response.content.decode()


def point_database_at(monkeypatch: pytest.MonkeyPatch, **place: object) -> None:
    for key, value in place.items():
        monkeypatch.setitem(django_settings.DATABASES["default"], key, value)


@pytest.mark.django_db
def test_healthz_answers_without_the_database(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("warm_model")
async def test_ready_with_a_warm_model_a_database_and_all_migrations() -> None:
    code, checks, _body = await readiness()

    assert code == 200, checks
    assert checks == {name: {"ok": True, "message": ""} for name in ("model", "database", "migrations", "staying")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("warm_model")
async def test_each_inference_process_is_told_of() -> None:
    response = await AsyncClient().get("/readyz")

    assert json.loads(response.content)["inference"] == {"inference-0": True, "inference-1": False}


@pytest.mark.django_db(transaction=True)
async def test_not_ready_while_the_model_is_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    async def current_status() -> WorkerStatus:
        return WorkerStatus(node="a", is_ready=False, detail="loading /home/operator/weights")

    monkeypatch.setattr(recognizer, "current_status", current_status)

    code, checks, body = await readiness()

    assert code == 503
    assert [name for name, check in checks.items() if not check["ok"]] == ["model"]
    assert "No warm model" in str(checks["model"]["message"])
    assert "/home/operator" not in body


@pytest.mark.django_db(transaction=True)
async def test_a_recognizer_that_hangs_is_a_cold_model(monkeypatch: pytest.MonkeyPatch) -> None:
    async def current_status() -> WorkerStatus:
        await asyncio.Event().wait()
        raise AssertionError("never reached")

    monkeypatch.setattr(recognizer, "current_status", current_status)
    started = time.monotonic()

    code, checks, _body = await readiness()

    assert (code, checks["model"]["ok"], checks["database"]["ok"]) == (503, False, True)
    assert time.monotonic() - started < 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("warm_model")
async def test_not_ready_when_postgresql_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    point_database_at(monkeypatch, HOST="127.0.0.1", PORT="1", USER="secret-user", PASSWORD="secret-word")

    code, checks, body = await readiness()

    assert (code, checks["model"]["ok"], checks["database"]["ok"], checks["migrations"]["ok"]) == (503, True, False, False)
    assert "PostgreSQL does not answer" in str(checks["database"]["message"])
    assert "secret" not in body
    assert "127.0.0.1" not in body


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("warm_model")
async def test_a_postgresql_that_hangs_costs_at_most_two_seconds(monkeypatch: pytest.MonkeyPatch, silent_server: int) -> None:
    point_database_at(monkeypatch, HOST="127.0.0.1", PORT=str(silent_server))
    started = time.monotonic()

    code, checks, _body = await readiness()

    assert (code, checks["database"]["ok"]) == (503, False)
    assert time.monotonic() - started < 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("warm_model")
def test_a_query_that_hangs_costs_at_most_two_seconds(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
    started = time.monotonic()
    try:
        response = client.get("/readyz")
        waited_s = time.monotonic() - started
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")

    assert response.status_code == 503
    assert waited_s < 2.5


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("warm_model")
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="transcription").latest("id")
    newest.delete()
    try:
        response = client.get("/readyz")
    finally:
        newest.save(force_insert=True)

    migrations = response.json()["checks"]["migrations"]
    assert response.status_code == 503
    assert f"transcription.{newest.name}" in migrations["message"]
    assert "manage.py migrate" in migrations["message"]


async def test_many_probes_at_once_share_one_database_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    num_connections = 0

    async def applied_migrations() -> frozenset[tuple[str, str]]:
        nonlocal num_connections
        num_connections += 1
        await asyncio.sleep(0.01)
        return health.newest_migrations()

    monkeypatch.setattr(health, "applied_migrations", applied_migrations)

    answers = await asyncio.gather(*(health.shared_database_check() for _ in range(50)))
    assert num_connections == 1
    assert all(database.ok and migrations.ok for database, migrations in answers)

    await health.shared_database_check()
    assert num_connections == 2


async def test_a_prober_that_hangs_up_does_not_fail_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def applied_migrations() -> frozenset[tuple[str, str]]:
        await asyncio.sleep(0.01)
        return health.newest_migrations()

    monkeypatch.setattr(health, "applied_migrations", applied_migrations)
    first, second = (asyncio.create_task(health.shared_database_check()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    database, _migrations = await second
    assert database.ok


async def test_work_that_is_given_up_is_cancelled_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT_S", 0.01)

    with pytest.raises(TimeoutError):
        await health.within_limit(asyncio.Event().wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert not health.given_up


def test_a_probe_that_finds_the_server_not_ready_is_not_logged_as_an_error() -> None:
    (console,) = [handler for handler in logging.getLogger().handlers if handler.filters]
    record = logging.makeLogRecord({"name": "django.request", "levelno": logging.ERROR, "msg": "Service Unavailable: /readyz"})
    other = logging.makeLogRecord({"name": "django.request", "levelno": logging.ERROR, "msg": "Internal Server Error: /"})
    record.request, other.request = RequestFactory().get("/readyz"), RequestFactory().get("/")

    assert not console.filter(record)
    assert console.filter(other)


def test_probes_are_not_cached_nor_redirected_to_https(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    response = client.get("/healthz")

    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]


async def test_a_process_that_is_being_stopped_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining.current_drain, "has_begun", True)

    code, checks, _body = await readiness()

    assert (code, checks["staying"]["ok"]) == (503, False)
