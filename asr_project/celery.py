"""The Celery application. Worker and beat run as `celery -A asr_project`; tasks live in each app's tasks.py."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asr_project.settings")

app = Celery("asr_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]  # Celery has no types
def log_as_the_web_does(**_options: Any) -> None:
    """Otherwise Celery takes the root logger's handlers away, and writes rows of the database that errors quote."""
    logging.config.dictConfig(settings.LOGGING)
