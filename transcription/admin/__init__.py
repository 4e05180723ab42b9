"""The admin site, one module for each thing that is administered; importing them registers them."""

from transcription.admin import (
    accuracy,
    alert_channels,
    alert_rules,
    alerts,
    catalogue,
    keys,
    log,
    people,
    privacy,
    routes,
    schedules,
    sessions,
    swaps,
)

__all__ = [
    "accuracy",
    "alert_channels",
    "alert_rules",
    "alerts",
    "catalogue",
    "keys",
    "log",
    "people",
    "privacy",
    "routes",
    "schedules",
    "sessions",
    "swaps",
]
