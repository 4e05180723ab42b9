"""Celery tasks: each calls one service."""

import logging
from datetime import timedelta

from celery import shared_task

from transcription import services

# Web processes report every minute; five missed reports are no hiccup.
ABANDONED_AFTER = timedelta(minutes=5)

logger = logging.getLogger(__name__)


@shared_task
def close_abandoned_sessions() -> None:
    """Close the sessions of web processes that died."""
    num_closed = services.close_abandoned_sessions(ABANDONED_AFTER)
    if num_closed:
        logger.warning("Closed %d sessions whose web process is gone.", num_closed)
