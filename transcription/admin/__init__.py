"""The admin site, one module for each thing that is administered; importing them registers them."""

from transcription.admin import (
    alert_channels,
    alert_rules,
    alerts,
    catalogue,
    keys,
    log,
    people,
    routes,
    schedules,
    sessions,
    swaps,
)

__all__ = [
    "alert_channels",
    "alert_rules",
    "alerts",
    "catalogue",
    "keys",
    "log",
    "people",
    "routes",
    "schedules",
    "sessions",
    "swaps",
]
