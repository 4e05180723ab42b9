"""Which runtime is taken, and what is told where one cannot be."""

from importlib import util
from pathlib import Path

import pytest
import torch

from inference.config import RuntimeName
from inference.engines.arithmetic import CPU, FP32
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.runtimes.choice import RuntimeOpener, chosen
from inference.errors import ConfigError
from tests.inference.engines.conformer_ctc.runtimes.graphs import encoder_of, step_of

GPU = torch.device("cuda:0")


@pytest.fixture
def is_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed."""
    monkeypatch.setattr(util, "find_spec", lambda _name: None)


def test_openvino_computes_on_a_processor_where_it_is_installed() -> None:
    assert chosen("auto", CPU) == "openvino"


@pytest.mark.usefixtures("is_bare")
def test_torch_computes_where_nothing_else_is_installed() -> None:
    assert chosen("auto", CPU) == "torch"


def test_torch_computes_on_a_gpu() -> None:
    assert chosen("auto", GPU) == "torch"


@pytest.mark.usefixtures("is_bare")
@pytest.mark.parametrize(("wanted", "lacking"), [("openvino", "openvino"), ("onnx", "onnx, onnxscript, onnxruntime")])
def test_a_runtime_that_is_not_installed_is_told_with_what_to_install(wanted: RuntimeName, lacking: str) -> None:
    with pytest.raises(ConfigError, match=f"is {wanted}, which needs {lacking}: pip install -r requirements-conformer.txt"):
        chosen(wanted, CPU)


@pytest.mark.parametrize("wanted", ["openvino", "onnx"])
def test_a_runtime_for_processors_is_not_taken_for_a_gpu(wanted: RuntimeName, network: ConformerCtc, tmp_path: Path) -> None:
    step, _ = step_of(network)
    with pytest.raises(ConfigError, match=f"is {wanted}, which computes on the processor here, and the device is cuda:0"):
        RuntimeOpener(wanted, tmp_path)(encoder_of(network), step.head, FP32, GPU)


def test_torch_needs_no_graph_on_disk(network: ConformerCtc, tmp_path: Path) -> None:
    step, _ = step_of(network)

    runtime = RuntimeOpener("torch", tmp_path)(encoder_of(network), step.head, FP32, CPU)

    assert type(runtime) is TorchRuntime
    assert list(tmp_path.iterdir()) == []
