"""The Celery application. Worker and beat run as `celery -A asr_project`; tasks live in each app's tasks.py."""

import logging.config
import os
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutdown
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asr_project.settings")

app = Celery("asr_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]  # Celery has no types
def log_as_the_web_does(**_options: Any) -> None:
    """Otherwise Celery takes the root logger's handlers away, and writes rows of the database that errors quote."""
    logging.config.dictConfig(settings.LOGGING)


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery has no types
def measure(**_options: Any) -> None:
    """The worker's own metrics; here nothing of Django is imported before it is set up."""
    import_module("transcription.metrics.process").begin("worker")


@worker_shutdown.connect  # type: ignore[untyped-decorator]  # Celery has no types
def stop_measuring(**_options: Any) -> None:
    import_module("transcription.metrics.process").end("worker")
