"""Which model is due on a route at which moment. Pure: no table, no framework, and no clock of its own.

`zones` turns what a wall clock shows into moments, `windows` a row of a schedule into stretches of time, `timeline` all windows
and overrides of a route into what serves when, and `conflicts` finds windows that contradict each other.
"""

from transcription.schedules.conflicts import Conflict, find_conflicts
from transcription.schedules.timeline import Because, Due, Plan, Stretch, Wish, due_at, next_change, preview
from transcription.schedules.windows import DAY_NAMES, Span, Window, window_complaints
from transcription.schedules.zones import UnknownZoneError, moment_of, zone_named

__all__ = [
    "DAY_NAMES",
    "Because",
    "Conflict",
    "Due",
    "Plan",
    "Span",
    "Stretch",
    "UnknownZoneError",
    "Window",
    "Wish",
    "due_at",
    "find_conflicts",
    "moment_of",
    "next_change",
    "preview",
    "window_complaints",
    "zone_named",
]
