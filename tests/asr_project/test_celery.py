"""Celery as `make serve` runs it: beat's schedule names tasks that exist, and the worker carries out what is sent to it."""

import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from asr_project import celery_app
from asr_project.celery import NICENESS
from asr_project.serve import topology
from asr_project.serve.console import Console
from asr_project.serve.supervisor import Supervisor
from tests.factories import make_route, make_schedule, make_session
from transcription.models import ModelSwap, Session
from transcription.tasks import close_abandoned_sessions


def test_every_scheduled_task_exists() -> None:
    celery_app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled
    assert scheduled <= celery_app.tasks.keys()


@pytest.fixture
def environment(transactional_db: None) -> dict[str, str]:
    """Settings of a process that works on this test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    return os.environ | {"DATABASE_URL": url, "HARK_LOG_FORMAT": "json"}


FAREWELL = "worker: Warm shutdown (MainProcess)"
"""Printed by Celery past its log; the supervisor makes a JSON line of it."""


@pytest.fixture
def output() -> StringIO:
    return StringIO()


@pytest.fixture
def supervisor(environment: dict[str, str], output: StringIO) -> Iterator[Supervisor]:
    supervisor = Supervisor(Console(output, "json"))
    yield supervisor
    supervisor.stop()
    assert "Traceback" not in output.getvalue()
    printed = [record for record in map(json.loads, output.getvalue().splitlines()) if record["logger"] == "output"]
    assert {record["message"] for record in printed} <= {FAREWELL}, "Celery writes its log as everybody does"


@pytest.mark.integration
def test_the_worker_carries_out_what_is_sent_to_it(supervisor: Supervisor, environment: dict[str, str], output: StringIO) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    session = make_session(status=Session.Status.LIVE, ended_at=None, started_at=long_ago, last_seen_at=long_ago)
    close_abandoned_sessions.delay()

    def is_closed() -> bool:
        session.refresh_from_db()
        return session.status == Session.Status.INCOMPLETE

    supervisor.start(topology.worker(environment))
    assert supervisor.wait_until(is_closed, look_every_s=0.1, within_s=60)
    assert supervisor.wait_until(lambda: "Closed 1 sessions" in output.getvalue(), look_every_s=0.1, within_s=10)
    (told,) = [record for record in map(json.loads, output.getvalue().splitlines()) if "Closed 1" in record["message"]]
    assert (told["process"], told["logger"], told["level"]) == ("worker", "transcription.tasks", "WARNING")


@pytest.mark.integration
def test_the_worker_gives_way_and_keeps_its_connections(supervisor: Supervisor, environment: dict[str, str]) -> None:
    close_abandoned_sessions.delay()
    supervisor.start(topology.worker(environment))

    assert supervisor.wait_until(lambda: num_idle_connections() > 0, look_every_s=0.1, within_s=60)
    time.sleep(1.0)
    assert num_idle_connections() > 0
    (worker,) = [child for child in psutil.Process().children(recursive=True) if "worker" in child.cmdline()]
    assert worker.nice() >= NICENESS


def num_idle_connections() -> int:
    """Of others to this test's database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.integration
def test_beat_takes_up_the_schedule(supervisor: Supervisor, environment: dict[str, str]) -> None:
    supervisor.start(topology.beat(environment))
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    def is_taken_up() -> bool:
        """All of it: a beat that is stopped in the middle says so with a traceback."""
        return scheduled <= set(PeriodicTask.objects.filter(enabled=True).values_list("task", flat=True))

    assert supervisor.wait_until(is_taken_up, look_every_s=0.1, within_s=60)


@pytest.mark.integration
def test_beat_and_a_worker_ask_for_the_model_that_a_schedule_wants_now(
    supervisor: Supervisor, environment: dict[str, str]
) -> None:
    make_schedule(make_route("light"), "heavy", "00:00-00:00")
    supervisor.start(topology.worker(environment))
    supervisor.start(topology.beat(environment))

    is_asked_for = ModelSwap.objects.filter(to_name="heavy", reason=ModelSwap.Reason.SCHEDULE).exists
    assert supervisor.wait_until(is_asked_for, look_every_s=0.1, within_s=60)
