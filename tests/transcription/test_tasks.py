"""Celery: what beat is told to run exists, and is not run late in a heap after an outage."""

import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from asr_project.celery import app


@pytest.mark.django_db(transaction=True)  # the scheduler closes connections
def test_beat_runs_the_sweep_each_minute_and_forgets_missed_ones() -> None:
    DatabaseScheduler(app=app, lazy=False)

    sweep = PeriodicTask.objects.get(task="transcription.tasks.close_abandoned_sessions")
    assert (sweep.enabled, sweep.interval.every, sweep.interval.period) == (True, 60, "seconds")
    assert sweep.expire_seconds == 50


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)
