"""Going over to the lighter model and back: only when texts stay late, and stay in time."""

import pytest

from inference.messages import WorkerLoad
from transcription.serving.fallback import FALL_AFTER_S, RETURN_AFTER_S, FallbackWatch, lateness_ms

ABOVE_MS, BELOW_MS = 1500, 300


def turns(lateness: list[float]) -> list[int]:
    """Second by second: those at which the route changed to its other model."""
    watch, is_on, turned = FallbackWatch(), False, []
    for second, late_ms in enumerate(lateness):
        if watch.wants_change(late_ms, float(second), is_on=is_on, above_ms=ABOVE_MS, below_ms=BELOW_MS):
            is_on = not is_on
            turned.append(second)
    return turned


FALL, RETURN = int(FALL_AFTER_S), int(RETURN_AFTER_S)
COURSES = [
    ("in time", [100] * 60, []),
    ("late for long", [2000] * 10, [FALL]),
    ("late for a moment", [2000] * FALL + [100] + [2000] * FALL, []),
    ("at the limit itself", [ABOVE_MS] * 60, []),
    ("late, then in time", [2000] * 5 + [100] * 30, [FALL, 5 + RETURN]),
    ("late, then between the limits", [2000] * 5 + [900] * 120, [FALL]),
    ("late, then in time with a slip", [2000] * 5 + [100] * RETURN + [900] + [100] * RETURN, [FALL]),
    ("late again", [2000] * 5 + [100] * 20 + [2000] * 10, [FALL, 5 + RETURN, 25 + FALL]),
]


@pytest.mark.parametrize(("course", "lateness", "expected"), COURSES)
def test_a_route_changes_at_these_seconds(course: str, lateness: list[float], expected: list[int]) -> None:
    assert turns(lateness) == expected, course


def test_the_process_that_is_latest_counts_and_one_that_hangs_too() -> None:
    assert lateness_ms([WorkerLoad(queue_ms=20.0), WorkerLoad(queue_ms=900.0)]) == 900.0
    assert lateness_ms([WorkerLoad(queue_ms=20.0, stalled_ms=4000)]) == 4000
    assert lateness_ms([]) == 0.0
