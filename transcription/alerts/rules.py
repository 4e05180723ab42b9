"""When a value is bad, for how long it must be before anybody is told, and how values read. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Final


class Comparison(StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="


HOLDS: Final = {Comparison.ABOVE: gt, Comparison.AT_LEAST: ge, Comparison.BELOW: lt, Comparison.AT_MOST: le}


@dataclass(frozen=True, slots=True)
class Rule:
    """`threshold`: in the unit of the metric. `hold`: how long a value is bad until the rule fires, and fine until it is over.

    `cool_down`: for so long after it was over it is the same event when it fires again, and nobody is told of it again.
    `fires_without_data`: that nothing is measured is as bad as a bad value.
    """

    comparison: Comparison
    threshold: float
    hold: timedelta
    cool_down: timedelta
    fires_without_data: bool = False

    def is_bad(self, value: float | None) -> bool:
        """`value`: None where nothing was measured."""
        if value is None:
            return self.fires_without_data
        return bool(HOLDS[self.comparison](value, self.threshold))

    def worse(self, one: float | None, other: float | None) -> float | None:
        """The one of two values that is further on the bad side."""
        known = [value for value in (one, other) if value is not None]
        if not known:
            return None
        return max(known) if self.comparison in {Comparison.ABOVE, Comparison.AT_LEAST} else min(known)
