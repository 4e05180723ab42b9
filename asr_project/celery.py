"""The Celery application. Worker and beat run as `celery -A asr_project`; tasks live in each app's tasks.py."""

import logging.config
import os
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, task_postrun, task_prerun, worker_init, worker_ready, worker_shutdown
from django.conf import settings
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asr_project.settings")

NICENESS = 5
"""Of the worker and beat."""

app = Celery("asr_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]  # Celery has no types
def log_as_the_web_does(**_options: Any) -> None:
    """Otherwise Celery takes the root logger's handlers away, and writes rows of the database that errors quote."""
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
@beat_init.connect  # type: ignore[untyped-decorator]
def give_way(**_options: Any) -> None:
    """What is done every few seconds, and asks for much at once, leaves the processor to those who are heard meanwhile."""
    os.nice(max(0, NICENESS - os.nice(0)))


@task_prerun.connect  # type: ignore[untyped-decorator]  # Celery has no types
@task_postrun.connect  # type: ignore[untyped-decorator]
def keep_connections(sender: Any, **_options: Any) -> None:
    """As Django does around requests: to make a connection for each task would cost PostgreSQL and us more than most tasks do."""
    if not getattr(sender.request, "is_eager", False):
        close_old_connections()


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery has no types
def measure(**_options: Any) -> None:
    """The worker's own metrics; here nothing of Django is imported before it is set up."""
    import_module("transcription.metrics.process").begin("worker")


@worker_shutdown.connect  # type: ignore[untyped-decorator]  # Celery has no types
def stop_measuring(**_options: Any) -> None:
    import_module("transcription.metrics.process").end("worker")
