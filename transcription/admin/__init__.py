"""The admin site, one module for each thing that is administered; importing them registers them."""

from transcription.admin import catalogue, keys, log, people, routes, schedules, sessions, swaps

__all__ = ["catalogue", "keys", "log", "people", "routes", "schedules", "sessions", "swaps"]
