"""Which samples are read for a number and for a line."""

from datetime import UTC, datetime, timedelta

import pytest

from transcription.metrics.resolution import stepped, whole

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEPT = {10: timedelta(hours=6), 60: timedelta(days=14), 600: timedelta(days=60), 3600: timedelta(days=400)}


@pytest.mark.parametrize(
    ("length", "step", "resolution_s", "step_s"),
    [
        (timedelta(minutes=15), timedelta(seconds=10), 10, 10),
        (timedelta(hours=1), timedelta(seconds=30), 10, 30),
        (timedelta(hours=6), timedelta(minutes=3), 60, 180),
        (timedelta(hours=24), timedelta(minutes=10), 600, 600),
        (timedelta(hours=24), timedelta(seconds=90), 60, 120),
        (timedelta(days=7), timedelta(hours=1), 3600, 3600),
        (timedelta(days=30), timedelta(minutes=20), 3600, 3600),
        (timedelta(days=90), timedelta(minutes=10), 3600, 3600),
    ],
)
def test_a_line_is_made_of_the_coarsest_samples_that_its_steps_hold_whole(
    length: timedelta, step: timedelta, resolution_s: int, step_s: int
) -> None:
    slots = stepped(NOW - length, NOW, step, NOW, KEPT)
    assert (slots.resolution_s, slots.step_s) == (resolution_s, step_s)


@pytest.mark.parametrize(
    ("age", "window", "resolution_s"),
    [
        (timedelta(0), timedelta(minutes=10), 10),
        (timedelta(0), timedelta(hours=24), 60),
        (timedelta(days=20), timedelta(hours=1), 600),
        (timedelta(days=61), timedelta(hours=1), 3600),
    ],
)
def test_a_number_is_made_of_the_finest_samples_that_are_kept(age: timedelta, window: timedelta, resolution_s: int) -> None:
    assert whole(window, NOW - age, NOW, KEPT).resolution_s == resolution_s
