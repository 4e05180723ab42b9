"""ONNX Runtime: on the processor with one thread, in fp32 or int8; for TensorRT (`tensorrt`) the same graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch.export import ExportedProgram

from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.graph import input_names
from inference.engines.conformer_ctc.runtimes.history import Array
from inference.errors import ConfigError

MODEL: Final = "model.onnx"
ON_PROCESSOR: Final = ("CPUExecutionProvider",)
PRECISIONS: Final = ("fp32", "int8")
PRODUCTS: Final = ("MatMul", "Gemm")
MATRIX: Final = 2


def build(program: ExportedProgram, geometry: Geometry, arithmetic: Arithmetic, folder: Path) -> None:
    """Write the graph into `folder`. Takes seconds to half a minute."""
    made = torch.onnx.export(program, input_names=input_names(geometry), dynamo=True, verbose=False)
    assert made is not None
    made.save(folder / MODEL)
    if arithmetic.has_int8:
        quantise(folder / MODEL)


def quantise(path: Path) -> None:
    """Weights of products become 8-bit integers with a scale for each output; activations get one for a whole product."""
    model = onnx.load(path)
    ranks = {weight.name: len(weight.dims) for weight in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in PRODUCTS]
    # A table for each head is no matrix, and what comes from the past has no scale that holds.
    others = [node.name for node in products if ranks.get(node.input[1]) != MATRIX]
    quantize_dynamic(
        model,
        path,
        op_types_to_quantize=list(PRODUCTS),
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=others,
    )


class OnnxSession:
    """A graph that `build` wrote into `folder`. providers: as ONNX Runtime wants them, with their options."""

    def __init__(self, folder: Path, providers: Sequence[str | tuple[str, dict[str, Any]]] = ON_PROCESSOR) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(folder / MODEL, options, list(providers))
        self.names = [port.name for port in self.session.get_inputs()]

    def size_for(self, num_rows: int) -> int:
        return num_rows

    def prepare(self, num_rows: int) -> None:
        """All numbers are alike."""

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        found: Sequence[Array] = self.session.run(None, dict(zip(self.names, inputs, strict=True)))
        return found


def check(arithmetic: Arithmetic) -> None:
    """Raises:
    ConfigError: it does not compute in that on a processor.
    """
    if arithmetic.name not in PRECISIONS:
        raise ConfigError(
            f"HARK_CONFORMER_RUNTIME is onnx, which computes in {' or '.join(PRECISIONS)}, and the precision is "
            f"{arithmetic.name}. Set HARK_PRECISION to one of them, or another runtime."
        )
