"""OpenVINO on the processor: one thread, any number of rows. In int8, weights are scaled per output and activations in groups
while running.

Its own `convert_model` is not used, because that one reports to its maker over the network.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino
from openvino import opset13
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
from torch.export import ExportedProgram

from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.graph import input_shapes
from inference.engines.conformer_ctc.runtimes.history import Array
from inference.engines.conformer_ctc.runtimes.sized import SizedGraphs
from inference.engines.int8 import MAX_INT8, TINY

MODEL: Final = "model.xml"
ACTIVATIONS_A_GROUP: Final = 128
"""Those that share a scale. With 32, OpenVINO's own choice, products of 8-bit integers take a fifth longer."""
MIN_COMPRESSED: Final = 1024
"""Smaller matrices stay as they are."""
SIZES: Final = (1, 2, 4, *range(8, 65, 8), 80, 96, 128)
"""Rows that a step is computed with. When the number changes, the graph's shapes and memory are worked out anew, which costs as
much as some rows; and each number keeps some megabytes for good."""
MAX_IDLE_ROWS: Final = 8
"""A step has so many rows for nothing before it changes to fewer."""
SIZED_BYTES: Final = 256 << 20
"""What graphs for one number of rows each may take together, about."""
GRAPH_BYTES: Final = 24 << 20
"""Of a graph, without weights."""


def build(program: ExportedProgram, geometry: Geometry, arithmetic: Arithmetic, folder: Path) -> None:
    """Write the graph into `folder`. Takes seconds to half a minute."""
    frontend = FrontEndManager().load_by_framework("pytorch")
    # The frontend does not hold on to the decoder: it has to live until `convert` is done.
    decoder = TorchFXPythonDecoder.from_exported_program(program)
    model = frontend.convert(frontend.load(decoder))
    model.reshape({number: openvino.PartialShape([-1, *shape]) for number, shape in enumerate(input_shapes(geometry))})
    if arithmetic.has_int8:
        compress(model)
    openvino.save_model(model, folder / MODEL, compress_to_fp16=False)


def compress(model: openvino.Model) -> None:
    """Replace the weights of products by 8-bit integers and a scale for each output, in the form that OpenVINO computes with."""
    for product in model.get_ordered_ops():
        if product.get_type_name() != "MatMul" or not product.get_attributes()["transpose_b"]:
            continue
        constant = product.input_value(1).get_node()
        if constant.get_type_name() == "Constant" and len(constant.shape) == 2 and constant.data.size >= MIN_COMPRESSED:
            product.input(1).replace_source_output(_compressed(constant.data).output(0))
    model.validate_nodes_and_infer_types()


def _compressed(weight: Array) -> Any:
    """A node that gives (outputs, inputs) again."""
    scales = np.maximum(np.abs(weight).max(axis=1, keepdims=True), TINY) / MAX_INT8
    whole = opset13.constant(np.round(weight / scales).astype(np.int8))
    return opset13.multiply(opset13.convert(whole, "f32"), opset13.constant(scales.astype(np.float32)))


CORE: Final = openvino.Core()
"""One for the whole life of the process. With its first graph it gives the thread a stack for signals, and takes that away when
it goes: of several that do not go in the opposite order, the thread is left with one that is gone, and dies of a signal."""


class Request:
    """A graph that is ready to run. It is told of an input only when that is not the array of the time before: to tell it of all
    takes a tenth of a step."""

    def __init__(self, model: openvino.CompiledModel) -> None:
        self.model = model
        self._request = model.create_infer_request()
        self._inputs: list[Array | None] = [None] * len(model.inputs)

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Inputs are read where they are, and outputs hold until the next call."""
        for number, (given, known) in enumerate(zip(inputs, self._inputs, strict=True)):
            if given is not known:
                self._request.set_input_tensor(number, openvino.Tensor(given, shared_memory=True))
        self._inputs = list(inputs)
        found: tuple[Array, ...] = self._request.infer(share_inputs=True, share_outputs=True).to_tuple()
        return found


class OpenVinoSession:
    """A graph that `build` wrote into `folder`: `request` runs it with any number of rows, those of `sized` with one each."""

    def __init__(self, folder: Path, arithmetic: Arithmetic) -> None:
        self._path = folder / MODEL
        self._config = {
            "INFERENCE_NUM_THREADS": 1,
            # Pinned, processes of one thread all sit on the first core, however many cores there are.
            "ENABLE_CPU_PINNING": False,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if arithmetic.name == "bf16" else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": ACTIVATIONS_A_GROUP if arithmetic.has_int8 else 0,
        }
        self.request = Request(CORE.compile_model(self._path, "CPU", self._config))
        self.sized = SizedGraphs(self._request_for, max_graphs_of(self._path))
        self.num_rows = 0

    def _request_for(self, num_rows: int) -> Request:
        model = CORE.read_model(self._path)
        model.reshape({number: [num_rows, *port.partial_shape[1:]] for number, port in enumerate(model.inputs)})
        return Request(CORE.compile_model(model, "CPU", self._config))

    def prepare(self, num_rows: int) -> None:
        self.sized.prepare(_size_above(num_rows))

    def size_for(self, num_rows: int) -> int:
        size = _size_above(num_rows)
        if size in self.sized:
            return size
        if not num_rows <= self.num_rows <= num_rows + MAX_IDLE_ROWS:
            self.num_rows = size
        return self.num_rows

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        return (self.sized.find(len(inputs[0])) or self.request).run(inputs)


def _size_above(num_rows: int) -> int:
    return next((size for size in SIZES if size >= num_rows), num_rows)


def max_graphs_of(path: Path) -> int:
    """How many for one number of rows each are kept of the model at `path`. Its weights are in every one of them, in the order
    that the processor likes, and once more while it is made."""
    return min(len(SIZES), SIZED_BYTES // (GRAPH_BYTES + 2 * path.with_suffix(".bin").stat().st_size))
