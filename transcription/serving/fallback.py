"""When a route goes over to its lighter model, and when it comes back. Pure; one look a second or so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inference.messages import WorkerLoad

FALL_AFTER_S: Final = 3.0
"""Texts must be late for so long: one file that somebody sends at once is no reason to recognise everybody worse."""
RETURN_AFTER_S: Final = 15.0
"""And in time again for so long: the heavier model will make more work of the same speech."""


@dataclass(slots=True)
class FallbackWatch:
    """Of one route. `turned_s`: since when the lateness asks for the other state; None: it does not."""

    turned_s: float | None = None

    def wants_change(self, late_ms: float, now_s: float, *, is_on: bool, above_ms: int, below_ms: int) -> bool:
        """Whether to change to the other model now. late_ms: as `lateness_ms`; `is_on`: the lighter one serves."""
        asks = late_ms < below_ms if is_on else late_ms > above_ms
        if not asks:
            self.turned_s = None
            return False
        if self.turned_s is None:
            self.turned_s = now_s
        if now_s - self.turned_s < (RETURN_AFTER_S if is_on else FALL_AFTER_S):
            return False
        self.turned_s = None
        return True


def lateness_ms(loads: Sequence[WorkerLoad]) -> float:
    """How long texts wait where they wait longest; 0 where no inference process answers."""
    return max((max(load.queue_ms, load.stalled_ms) for load in loads), default=0.0)
