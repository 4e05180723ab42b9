"""The schedule that beat reads names tasks that the worker knows."""

from django.conf import settings

from asr_project import celery_app


def test_every_scheduled_task_exists() -> None:
    celery_app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled
    assert scheduled <= celery_app.tasks.keys()
