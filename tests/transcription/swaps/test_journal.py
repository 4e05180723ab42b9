"""The record of a swap, and what is counted of it."""

import pytest

from transcription.metrics.meters import worker
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import request_swap
from transcription.swaps.journal import Journal


@pytest.mark.parametrize("state", [ModelSwap.State.DONE, ModelSwap.State.FAILED])
def test_a_swap_that_is_over_is_counted_by_how_it_ended(route: ModelRoute, heavy: ASRModel, state: ModelSwap.State) -> None:
    def num_counted() -> float:
        return worker.registry.get_sample_value("hark_swaps_total", {"outcome": str(state)}) or 0.0

    journal, before = Journal(request_swap(route, heavy, ModelSwap.Reason.MANUAL)), num_counted()
    journal.enter(ModelSwap.State.LOADING)
    assert num_counted() == before
    journal.finish(state)
    assert num_counted() == before + 1
