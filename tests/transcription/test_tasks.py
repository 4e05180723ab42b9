"""Celery: what beat is told to run exists, and is not run late in a heap after an outage."""

from contextlib import ExitStack

import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from asr_project.celery import app
from asr_project.serve import topology
from transcription import tasks
from transcription.metrics import rollup
from transcription.privacy import retention


@pytest.mark.django_db(transaction=True)  # the scheduler closes connections
def test_beat_runs_the_sweep_each_minute_and_forgets_missed_ones() -> None:
    DatabaseScheduler(app=app, lazy=False)

    sweep = PeriodicTask.objects.get(task="transcription.tasks.close_abandoned_sessions")
    assert (sweep.enabled, sweep.interval.every, sweep.interval.period) == (True, 60, "seconds")
    assert sweep.expire_seconds == 50


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_what_may_take_long_leaves_threads_to_what_must_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[str] = []
    monkeypatch.setattr(retention, "sweep", lambda: swept.append("swept"))
    monkeypatch.setattr(rollup, "roll_up", lambda: swept.append("rolled up"))
    with ExitStack() as busy:
        for _ in range(tasks.MAX_SLOW):
            assert tasks._slow.acquire(blocking=False)
            busy.callback(tasks._slow.release)
        tasks.sweep()
        tasks.roll_up_metrics()
        assert swept == ["rolled up"]
    tasks.sweep()
    assert swept == ["rolled up", "swept"]


def test_a_task_that_fails_gives_its_thread_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError

    monkeypatch.setattr(retention, "sweep", fail)
    for _ in range(tasks.MAX_SLOW + 1):
        with pytest.raises(ValueError, match="^$"):
            tasks.sweep()


def test_the_worker_has_more_threads_than_such_tasks() -> None:
    command = topology.worker({}).command
    assert int(command[command.index("--concurrency") + 1]) >= tasks.MAX_SLOW + 3
