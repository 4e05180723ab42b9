"""Celery as `make serve` runs it: beat's schedule names tasks that exist, and the worker carries out what is sent to it."""

import os
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from asr_project import celery_app
from asr_project.serve import topology
from asr_project.serve.console import Console
from asr_project.serve.supervisor import Supervisor
from tests.factories import make_session
from transcription.models import Session
from transcription.tasks import close_abandoned_sessions


def test_every_scheduled_task_exists() -> None:
    celery_app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled
    assert scheduled <= celery_app.tasks.keys()


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Supervisor]:
    """A supervisor that runs the real worker on this test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    output = StringIO()
    supervisor = Supervisor(Console(output))
    supervisor.start(topology.worker(os.environ | {"DATABASE_URL": url}))
    yield supervisor
    supervisor.stop()
    assert "Traceback" not in output.getvalue()


@pytest.mark.integration
def test_the_worker_carries_out_what_is_sent_to_it(worker: Supervisor) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    session = make_session(status=Session.Status.LIVE, ended_at=None, started_at=long_ago, last_seen_at=long_ago)
    close_abandoned_sessions.delay()

    def is_closed() -> bool:
        session.refresh_from_db()
        return session.status == Session.Status.INCOMPLETE

    assert worker.wait_until(is_closed, look_every_s=0.1, within_s=30)
