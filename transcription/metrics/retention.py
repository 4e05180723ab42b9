"""How long samples are kept."""

from datetime import timedelta

from django.conf import settings


def kept() -> dict[int, timedelta]:
    """By resolution (s)."""
    return {
        10: timedelta(hours=settings.HARK_METRICS_KEEP_10S_HOURS),
        60: timedelta(days=settings.HARK_METRICS_KEEP_1MIN_DAYS),
        600: timedelta(days=settings.HARK_METRICS_KEEP_10MIN_DAYS),
        3600: timedelta(days=settings.HARK_METRICS_KEEP_1H_DAYS),
    }
