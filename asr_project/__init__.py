"""Project wiring. The Celery application is loaded with it, so that `shared_task` finds its broker in every process."""

from asr_project.celery import app as celery_app

__all__ = ("celery_app",)
