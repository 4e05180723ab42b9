"""The admin site, one module for each thing that is administered; importing them registers them."""

from transcription.admin import keys, people, sessions

__all__ = ["keys", "people", "sessions"]
