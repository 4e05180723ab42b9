"""OpenVINO's graph says what torch says, and computes as it was told to."""

import gc
import random
import signal
from pathlib import Path

import numpy as np
import openvino
import pytest

from inference.engines.arithmetic import FP32, INT8
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtimes.graph import example_inputs
from inference.engines.conformer_ctc.runtimes.openvino import MODEL, OpenVinoSession, compress, max_graphs_of
from inference.engines.conformer_ctc.runtimes.session import GraphRuntime
from tests.inference.engines.conformer_ctc.networks import random_mel, runtime_of
from tests.inference.engines.conformer_ctc.runtimes.graphs import step_of
from tests.inference.engines.conformer_ctc.test_step import EXACT, streamed, whole_chunks

ROUGH = 0.1


@pytest.fixture
def runtime(network: ConformerCtc, openvino_graph: Path) -> GraphRuntime:
    return GraphRuntime(step_of(network)[1], OpenVinoSession(openvino_graph, FP32))


@pytest.fixture(scope="module")
def compressed(openvino_graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, model = tmp_path_factory.mktemp("int8"), openvino.Core().read_model(openvino_graph / MODEL)
    compress(model)
    openvino.save_model(model, folder / MODEL, compress_to_fp16=False)
    return folder


def test_it_says_what_torch_says_of_streams_that_come_and_go(network: ConformerCtc, runtime: GraphRuntime) -> None:
    mels = random_mel(12, whole_chunks(runtime))
    rng = random.Random(3)
    starts = [rng.randrange(12) for _ in mels]

    said = streamed(runtime, mels, starts)

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, starts), atol=EXACT)


def test_8_bit_weights_say_nearly_the_same_and_each_row_the_same_alone(network: ConformerCtc, compressed: Path) -> None:
    geometry = step_of(network)[1]
    rough = GraphRuntime(geometry, OpenVinoSession(compressed, INT8))
    mels = random_mel(5, whole_chunks(rough))

    said = streamed(rough, mels, [0, 0, 1, 3, 4])

    alone = np.concatenate([streamed(rough, mel[None], [0]) for mel in mels])
    difference = np.abs(said - streamed(runtime_of(network), mels, [0] * 5)).max()
    np.testing.assert_allclose(said, alone, atol=EXACT)
    assert EXACT < difference < ROUGH


def test_graphs_for_one_number_of_rows_each_say_the_same(
    network: ConformerCtc, runtime: GraphRuntime, compressed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = step_of(network)[1]
    rough = [GraphRuntime(geometry, OpenVinoSession(compressed, INT8)) for _ in range(2)]
    for session in (runtime.session, rough[1].session):
        assert isinstance(session, OpenVinoSession)
        for num_rows in (1, 2, 4, 7):
            session.prepare(num_rows)
        monkeypatch.delattr(session, "request")  # nothing else may run
    mels, starts = random_mel(7, whole_chunks(runtime)), [0, 0, 1, 3, 3, 4, 6]

    said = streamed(runtime, mels, starts)
    said_roughly, said_in_general = (streamed(one, mels, starts) for one in rough)

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, starts), atol=EXACT)
    np.testing.assert_allclose(said_roughly, said_in_general, atol=EXACT)


def test_inputs_are_read_where_they_are_whether_written_over_or_elsewhere(openvino_graph: Path, network: ConformerCtc) -> None:
    request = OpenVinoSession(openvino_graph, FP32).request
    inputs = [tensor.numpy() for tensor in example_inputs(step_of(network)[1], 2)]
    silent = request.run(inputs)[0].copy()

    inputs[0][:] = random_mel(2, inputs[0].shape[1])
    written_over = request.run(inputs)[0].copy()
    inputs[0] = inputs[0].copy()
    elsewhere = request.run(inputs)[0].copy()
    inputs[0] = np.zeros_like(inputs[0])

    assert np.abs(written_over - silent).max() > EXACT
    np.testing.assert_array_equal(elsewhere, written_over)
    np.testing.assert_array_equal(request.run(inputs)[0], silent)


def test_large_weights_leave_room_for_fewer_of_them(tmp_path: Path) -> None:
    def max_graphs(size_bytes: int) -> int:
        with (tmp_path / "model.bin").open("wb") as file:
            file.truncate(size_bytes)
        return max_graphs_of(tmp_path / MODEL)

    assert [max_graphs(megabytes << 20) for megabytes in (3, 28, 115, 460)] == [8, 3, 1, 0]


def test_the_weights_of_products_become_integers(openvino_graph: Path, compressed: Path) -> None:
    model = openvino.Core().read_model(compressed / MODEL)

    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    num_whole = sum(constant.get_element_type() == openvino.Type.i8 for constant in constants)
    before, after = (size_of_weights(folder) for folder in (openvino_graph, compressed))

    assert num_whole == 2 * 8 + 1  # of each layer, and what leads into the first one; the others are too small
    assert after < before / 2


def size_of_weights(folder: Path) -> int:
    return (folder / MODEL).with_suffix(".bin").stat().st_size


def test_processes_of_one_thread_are_not_pinned_to_the_first_core(openvino_graph: Path) -> None:
    model = OpenVinoSession(openvino_graph, FP32).request.model

    assert (model.get_property("ENABLE_CPU_PINNING"), model.get_property("INFERENCE_NUM_THREADS")) == (False, 1)


def test_signals_are_survived_after_graphs_that_went_in_any_order(openvino_graph: Path) -> None:
    sessions = [OpenVinoSession(openvino_graph, FP32) for _ in range(3)]
    for number in (0, 1, 0):
        del sessions[number]
        gc.collect()
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))

    signal.raise_signal(signal.SIGUSR1)  # Python takes it on the thread's stack for signals

    signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


def test_a_size_is_kept_as_long_as_few_rows_are_idle(openvino_graph: Path) -> None:
    session = OpenVinoSession(openvino_graph, FP32)

    assert [session.size_for(num_rows) for num_rows in (3, 13, 9, 8, 7, 16, 200)] == [4, 16, 16, 16, 8, 16, 200]
