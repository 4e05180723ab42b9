"""When a crashed child is started again, and how long each may take to stop: pure policy, no process and no clock."""

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
FORGIVEN_AFTER_S = 60.0
MIN_GRACE_S = 1.0


@dataclass(slots=True)
class Backoff:
    """Delays of 1, 2, 4 … 30 s; a run of a minute wipes the slate clean."""

    next_delay_s: float = FIRST_DELAY_S

    def delay_after(self, ran_s: float) -> float:
        """Seconds to wait before the next start of a child that ran `ran_s` seconds."""
        delay_s = FIRST_DELAY_S if ran_s >= FORGIVEN_AFTER_S else self.next_delay_s
        self.next_delay_s = min(delay_s * 2, LONGEST_DELAY_S)
        return delay_s


def grace_of_stage_s(wanted_s: float, left_s: float, num_later_stages: int) -> float:
    """Seconds that one stage of the shutdown may take when `left_s` remain for it and `num_later_stages` more."""
    return max(MIN_GRACE_S, min(wanted_s, left_s - num_later_stages * MIN_GRACE_S))


def stages_of(stop_stages: Sequence[int]) -> list[int]:
    """The stages in the order of stopping, each once."""
    return sorted(set(stop_stages))
