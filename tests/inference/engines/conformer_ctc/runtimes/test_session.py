"""A runtime over a graph says what torch says of the same streams, whoever else is in the batch."""

import random

import numpy as np
import pytest
import torch

from inference.engines.conformer_ctc.runtimes.session import GraphRuntime
from tests.inference.engines.conformer_ctc.networks import SHAPES, config_of, network_of, random_mel, runtime_of
from tests.inference.engines.conformer_ctc.runtimes.graphs import EagerSession, eager
from tests.inference.engines.conformer_ctc.test_step import EXACT, chunks_of, streamed, whole_chunks


@pytest.mark.parametrize("xscaling", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_graph_says_of_streams_of_different_age_what_torch_says(shape: str, *, xscaling: bool) -> None:
    network = network_of(config_of(*SHAPES[shape], xscaling=xscaling, use_bias=not xscaling))
    mels = random_mel(3, whole_chunks(runtime_of(network)))

    said = streamed(eager(network), mels, starts=[0, 1, 4])

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, [0, 1, 4]), atol=EXACT)


@pytest.mark.parametrize("size", [1, 12])
def test_a_row_is_the_same_in_whatever_batches_it_stands_beside_idle_rows_too(size: int) -> None:
    network = network_of(config_of(8, (6, 1)))
    mels = random_mel(30, whole_chunks(runtime_of(network)))
    rng = random.Random(7)
    starts = [rng.randrange(30) for _ in mels]
    expected = streamed(runtime_of(network), mels, starts)

    np.testing.assert_allclose(streamed(eager(network, size), mels, starts), expected, atol=EXACT)


def test_a_slot_that_is_not_cleared_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(config_of(8, (6, 1)))
    runtime = eager(network)
    mel = random_mel(1, whole_chunks(runtime))
    first = streamed(runtime, mel, [0])
    histories, ages = runtime.histories, runtime.histories.ages
    monkeypatch.setattr(histories, "take", lambda: 0)  # as `take` does, but for the clearing

    ages[0] = 0
    again = streamed(runtime, mel, [0])

    assert np.abs(again - first).max() > EXACT


def test_a_step_that_broke_off_can_be_repeated() -> None:
    network = network_of(config_of(8, (6, 1)))
    runtime = eager(network)
    mel = random_mel(1, whole_chunks(runtime))
    expected = streamed(runtime_of(network), mel, [0])[0]
    slot, said = runtime.take(), []
    for chunk in chunks_of(runtime, mel[0]):
        _fail(runtime, chunk[None], slot)
        said.append(runtime.step(chunk[None], [slot])[0])

    np.testing.assert_allclose(np.concatenate(said), expected, atol=EXACT)


def _fail(runtime: GraphRuntime, mel: torch.Tensor, slot: int) -> None:
    session = runtime.session
    assert isinstance(session, EagerSession)
    session.fails = True
    with pytest.raises(RuntimeError):
        runtime.step(mel, [slot])
    session.fails = False
