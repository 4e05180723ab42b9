"""Garbage is looked for seldom, and is found all the same."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from transcription.streaming.garbage import THRESHOLDS, look_for_garbage_seldom


class Ring:
    """An object that reference counting never frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_garbage_is_found_once_enough_came_together() -> None:
    look_for_garbage_seldom()
    first = weakref.ref(Ring())

    kept: list[list[int]] = [[] for _ in range(THRESHOLDS[0] // 2)]
    assert first() is not None
    kept += [[] for _ in range(THRESHOLDS[0])]

    assert first() is None
    assert len(kept) > THRESHOLDS[0]


def test_what_was_there_at_the_start_is_looked_at_no_more() -> None:
    look_for_garbage_seldom()

    assert gc.get_freeze_count() > 10_000
