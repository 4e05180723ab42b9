"""Celery tasks: each calls one service.

A worker has `MAX_SLOW` threads for those that may take long (`may_take_long`), and a few more, so that those that must not wait
never stand behind a swap, an e-mail server that hangs, or a sweep.
"""

import functools
import logging
from collections.abc import Callable
from datetime import timedelta
from threading import BoundedSemaphore
from typing import Any

from celery import shared_task
from django.conf import settings

from transcription import alerts, resumption, services, swaps
from transcription.accuracy import figures, rounds
from transcription.metrics import collecting, rollup
from transcription.privacy import erasure, retention
from transcription.swaps import scheduling

# Web processes report every minute; five missed reports are no hiccup.
ABANDONED_AFTER = timedelta(minutes=5)
# Longer than any client may stay away.
RESUME_POINTS_KEPT = timedelta(minutes=30)

CANARY_RETRY_S = 60
# The worker of `make serve` has three threads more.
MAX_SLOW = 5

_slow = BoundedSemaphore(MAX_SLOW)

logger = logging.getLogger(__name__)


def may_take_long(task: Callable[..., None]) -> Callable[..., None]:
    """Leave `task` to the next time where too many of its kind run: beat, or whoever looks after it, asks for it again."""

    @functools.wraps(task)
    def done(*args: Any, **options: Any) -> None:
        if not _slow.acquire(blocking=False):
            logger.info("%s is put off: %d tasks that take long run already", task.__name__, MAX_SLOW)
            return
        try:
            task(*args, **options)
        finally:
            _slow.release()

    return done


@shared_task
def close_abandoned_sessions() -> None:
    """Close the sessions of web processes that died."""
    num_closed = services.close_abandoned_sessions(ABANDONED_AFTER)
    if num_closed:
        logger.warning("Closed %d sessions whose web process is gone.", num_closed)


@shared_task
def drop_resume_points() -> None:
    """Forget how to resume sessions that are over."""
    resumption.drop_resume_points(RESUME_POINTS_KEPT)


@shared_task
@may_take_long
def sweep() -> None:
    """Delete what has been kept for as long as it may be."""
    retention.sweep()


@shared_task
@may_take_long
def pursue_erasures() -> None:
    """Forget what people wanted forgotten."""
    erasure.pursue()


@shared_task
def publish_accuracy() -> None:
    """Say how many words are wrong, as a metric."""
    figures.publish()


@shared_task(bind=True, max_retries=3)
@may_take_long
def play_canary(self: Any) -> None:
    """Play the reference clips to the server; it takes as long as they were spoken. A server that just starts is given time."""
    runs = rounds.play_round() if settings.HARK_CANARY_EVERY_S else []
    if runs and all(run.error for run in runs):
        raise self.retry(countdown=CANARY_RETRY_S)


@shared_task
@may_take_long
def run_swap(swap_id: int) -> None:
    """Carry one swap out; it may take minutes."""
    swaps.run_swap(swap_id, swaps.InferenceFleet())


@shared_task
@may_take_long
def tend_models() -> None:
    """Finish swaps that were left behind, and give inference processes the models that routes need."""
    swaps.tend(swaps.InferenceFleet())


@shared_task
def evaluate_alerts() -> None:
    """Look at all alert rules, and see that what people must know is on its way to them."""
    alerts.evaluate()
    alerts.hand_over_due()


@shared_task
@may_take_long
def deliver_notices(channel_id: int) -> None:
    """Send what waits for one channel."""
    alerts.deliver_notices(channel_id)


@shared_task
def forget_alerts() -> None:
    """Delete alerts that were over long ago."""
    alerts.forget_old(timedelta(days=settings.HARK_METRICS_KEEP_1H_DAYS))


@shared_task
def apply_schedules() -> None:
    """Ask for the models that schedules and overrides want now."""
    scheduling.apply_schedules()


@shared_task
def collect_metrics() -> None:
    """Store what inference processes have measured."""
    collecting.collect()


@shared_task
def roll_up_metrics() -> None:
    """Make minutes and hours of what was measured."""
    rollup.roll_up()


@shared_task
def drop_old_metrics() -> None:
    """Forget what was measured longer ago than is kept."""
    rollup.drop_old()
