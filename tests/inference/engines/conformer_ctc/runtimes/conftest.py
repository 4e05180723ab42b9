"""Graphs take seconds to make: one network's, once in each kind."""

from pathlib import Path

import pytest
from torch.export import ExportedProgram

from inference.engines.arithmetic import FP32
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtimes import artefacts, onnx, openvino
from inference.engines.conformer_ctc.runtimes.graph import exported
from tests.inference.engines.conformer_ctc.networks import config_of, network_of
from tests.inference.engines.conformer_ctc.runtimes.graphs import step_of


@pytest.fixture(scope="session")
def network() -> ConformerCtc:
    return network_of(config_of(8, (6, 1)))


@pytest.fixture(scope="session")
def program(network: ConformerCtc) -> ExportedProgram:
    with artefacts.without_notices():
        return exported(*step_of(network))


@pytest.fixture(scope="session")
def openvino_graph(network: ConformerCtc, program: ExportedProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openvino")
    with artefacts.without_notices():
        openvino.build(program, step_of(network)[1], FP32, folder)
    return folder


@pytest.fixture(scope="session")
def onnx_graph(network: ConformerCtc, program: ExportedProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    with artefacts.without_notices():
        onnx.build(program, step_of(network)[1], FP32, folder)
    return folder
