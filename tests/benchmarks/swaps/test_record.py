"""The row of a swap as the benchmark reads it."""

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.swaps.record import swap_of

BEGAN = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
OFFSET_S = 50 - BEGAN.timestamp()


def step(after_s: float, worker: str, stage: str) -> dict[str, str]:
    return {"at": (BEGAN + timedelta(seconds=after_s)).isoformat(), "worker": worker, "stage": stage, "detail": ""}


STEPS = [
    step(0.1, "", "checking"),
    step(1, "inference-0", "checking"),
    step(3, "inference-0", "loaded"),
    step(3.5, "inference-1", "checking"),
    step(6, "inference-1", "loaded"),
    step(12, "", "done"),
]


def test_times_are_moved_to_the_monotonic_clock() -> None:
    found = swap_of(("b", "done", "", BEGAN, BEGAN + timedelta(seconds=12), STEPS), OFFSET_S, {"i": 900.0}, {"i": 1_000.0})

    assert [found.span.from_s, found.seconds] == pytest.approx([50, 12])
    assert found.loading is not None
    assert [found.loading.from_s, found.loading.to_s] == pytest.approx([51, 56])


def test_a_swap_that_loaded_nothing_has_no_time_of_loading() -> None:
    row = ("b", "failed", "No.", BEGAN, BEGAN + timedelta(seconds=1), STEPS[:2])

    assert swap_of(row, OFFSET_S, {}, {}).loading is None


def test_the_most_memory_is_never_less_than_what_is_left() -> None:
    row = ("b", "done", "", BEGAN, BEGAN + timedelta(seconds=12), STEPS)

    assert swap_of(row, OFFSET_S, {"i": 900.0}, {"i": 800.0}).most_rss_mib == {"i": 900.0}
