"""The Celery application. Worker and beat run as `celery -A asr_project`; tasks live in each app's tasks.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asr_project.settings")

app = Celery("asr_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
