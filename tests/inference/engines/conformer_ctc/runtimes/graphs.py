"""A small network as a graph, in whatever way."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtimes.graph import GraphStep
from inference.engines.conformer_ctc.runtimes.history import Array
from inference.engines.conformer_ctc.runtimes.session import GraphRuntime
from inference.engines.conformer_ctc.step import CtcHead, StreamingEncoder


def step_of(network: ConformerCtc) -> tuple[GraphStep, Geometry]:
    encoder = encoder_of(network)
    return GraphStep(encoder, CtcHead(_weights(network))), encoder.geometry


def encoder_of(network: ConformerCtc) -> StreamingEncoder:
    return StreamingEncoder(Geometry(network.config, network.config.default_right_frames), _weights(network))


def _weights(network: ConformerCtc) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in network.state_dict().items()}


class EagerSession:
    """Calls the step itself. size: rows that it wants at least. fails: before the next run."""

    def __init__(self, step: GraphStep, size: int = 1) -> None:
        self.step = step
        self.size = size
        self.fails = False

    def size_for(self, num_rows: int) -> int:
        return max(self.size, num_rows)

    def prepare(self, num_rows: int) -> None:
        """All numbers are alike."""

    @torch.no_grad()
    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        if self.fails:
            raise RuntimeError("The session was to fail.")
        return [output.numpy() for output in self.step(*(torch.from_numpy(np.ascontiguousarray(one)) for one in inputs))]


def eager(network: ConformerCtc, size: int = 1) -> GraphRuntime:
    step, geometry = step_of(network)
    return GraphRuntime(geometry, EagerSession(step, size))
