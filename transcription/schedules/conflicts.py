"""Windows that contradict each other: they hold at once, with the same priority, and name different models. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from transcription.schedules.windows import Span, Window

A_YEAR: Final = timedelta(days=371)
"""Zones change their clocks on different days, so that windows may meet in a few weeks of a year only."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """`span`: when it happens for the first time."""

    first: Window
    second: Window
    span: Span


def find_conflicts(windows: Sequence[Window], from_at: datetime) -> list[Conflict]:
    """The first meeting of each two windows that contradict each other within a year."""
    found = []
    spans = {window.key: list(window.spans(from_at, from_at + A_YEAR)) for window in windows}
    for first, second in combinations(windows, 2):
        if first.priority == second.priority and first.model != second.model:
            shared = _first_shared(spans[first.key], spans[second.key])
            if shared is not None:
                found.append(Conflict(first, second, shared))
    return found


def _first_shared(some: Sequence[Span], others: Sequence[Span]) -> Span | None:
    """Both are in order."""
    position = other_position = 0
    while position < len(some) and other_position < len(others):
        span, other = some[position], others[other_position]
        shared = Span(max(span.from_at, other.from_at), min(span.until_at, other.until_at))
        if shared.from_at < shared.until_at:
            return shared
        if span.until_at <= other.until_at:
            position += 1
        else:
            other_position += 1
    return None
