"""The step at fixed numbers of rows says what torch says. Here it is called; on a GPU it is a graph that is repeated."""

import random

import numpy as np
import pytest
import torch

from inference.engines.arithmetic import CPU, FP32
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtimes import graphs
from inference.engines.conformer_ctc.runtimes.graphs import GraphsRuntime
from tests.inference.engines.conformer_ctc.networks import random_mel, runtime_of
from tests.inference.engines.conformer_ctc.runtimes.graphs import encoder_of, step_of
from tests.inference.engines.conformer_ctc.test_step import EXACT, streamed, whole_chunks


def graphs_of(network: ConformerCtc, device: torch.device = CPU) -> GraphsRuntime:
    return GraphsRuntime(encoder_of(network), step_of(network)[0].head, FP32, device)


def test_streams_that_come_and_go_hear_what_torch_says_also_when_the_pool_grows(network: ConformerCtc) -> None:
    runtime = graphs_of(network)
    mels = random_mel(30, whole_chunks(runtime))
    rng = random.Random(5)
    starts = [rng.randrange(4) for _ in mels]
    num_slots = runtime.pool.num_slots

    said = streamed(runtime, mels, starts)

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, starts), atol=EXACT)
    assert runtime.pool.num_slots > num_slots
    assert set(runtime.steps) <= set(graphs.SIZES)


def test_more_rows_than_the_largest_graph_has_go_in_parts(network: ConformerCtc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "SIZES", (1, 2))
    runtime = graphs_of(network)
    mels = random_mel(5, whole_chunks(runtime))

    said = streamed(runtime, mels, [0] * 5)

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, [0] * 5), atol=EXACT)
    assert set(runtime.steps) == {1, 2}


def test_slots_are_reserved_as_far_as_a_quarter_of_the_free_memory_goes(network: ConformerCtc) -> None:
    runtime = graphs_of(network)
    slot_bytes = runtime.pool.slot_bytes

    reserved = [runtime._num_reserved(num_slots * slot_bytes) for num_slots in (0, 4 * 100, 4 * 100 + 3, 40_000)]

    assert reserved == [16, 100, 100, graphs.RESERVED_SLOTS]


def test_what_a_stream_remembers_is_all_that_a_larger_pool_takes(network: ConformerCtc) -> None:
    pool = graphs_of(network).pool
    tables = [*(ring.table for ring in (*pool.keys, *pool.gates)), *pool.stages]

    assert pool.slot_bytes * pool.num_slots == sum(table.nbytes for table in tables)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_graphs_on_a_gpu_say_what_the_processor_says(network: ConformerCtc) -> None:
    runtime = graphs_of(network, torch.device("cuda:0"))
    mels = random_mel(30, whole_chunks(runtime))
    starts = [row % 7 for row in range(30)]

    said = streamed(runtime, mels, starts)

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, starts), atol=1e-3)
