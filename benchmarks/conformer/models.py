"""Networks of the sizes that are published, with random weights, in the runtimes that are installed here."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.speech import PROJECT_DIR
from inference.config import RuntimeName
from inference.engines.arithmetic import BY_NAME, CPU
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.runtimes.choice import RuntimeOpener
from inference.engines.conformer_ctc.runtimes.session import GraphRuntime
from inference.engines.conformer_ctc.step import CtcHead, StreamingEncoder

GRAPHS: Final = PROJECT_DIR / "var" / "benchmarks" / "graphs"
NUM_REHEARSALS: Final = 2
KINDS: Final[tuple[tuple[RuntimeName, str], ...]] = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("torch", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
)


AnyRuntime = GraphRuntime | TorchRuntime


@dataclass(frozen=True, slots=True)
class Size:
    """num_tokens: without the blank."""

    config: EncoderConfig
    num_tokens: int


def _published(d_model: int, num_layers: int, num_heads: int) -> Size:
    """Subsampling by 8, chunks of 160 ms, 5.6 s of past."""
    return Size(EncoderConfig(80, d_model, num_layers, num_heads, 8, 256, ((70, 1),)), 1024)


SIZES: Final = {
    "2.5": Size(EncoderConfig(80, 128, 6, 4, 4, 64, ((50, 4),)), 28),
    "28": _published(256, 16, 4),
    "114": _published(512, 17, 8),
}
"""By millions of parameters: as conformer-edge, NVIDIA's medium and NVIDIA's large streaming FastConformers."""


def network_of(size: Size) -> ConformerCtc:
    torch.manual_seed(0)
    return ConformerCtc(size.config, size.num_tokens).eval()


def opened(network: ConformerCtc, runtime: RuntimeName, precision: str) -> AnyRuntime:
    """Graphs of each size have a folder of their own, since few of one folder are kept."""
    weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
    geometry = Geometry(network.config, network.config.default_right_frames)
    open_runtime = RuntimeOpener(runtime, GRAPHS / f"{network.config.num_layers}x{network.config.d_model}")
    made = open_runtime(StreamingEncoder(geometry, weights), CtcHead(weights), BY_NAME[precision], CPU)
    assert isinstance(made, GraphRuntime | TorchRuntime)
    return made


class Crowd:
    """Streams that are past their beginning. is_scattered: every other slot of the pool is theirs."""

    def __init__(self, runtime: AnyRuntime, num_streams: int, *, is_scattered: bool = False) -> None:
        self.runtime = runtime
        taken = [runtime.take() for _ in range(num_streams * (1 + is_scattered))]
        self.slots = taken[:: 1 + is_scattered]
        geometry = runtime.geometry
        if isinstance(runtime, GraphRuntime):
            runtime.prepare(num_streams)
        self.mel: Tensor = torch.randn(num_streams, geometry.chunk_mel_frames, geometry.config.num_mels) * 3 - 6
        for slot in set(taken) - set(self.slots):
            runtime.give(slot)
        ages = (runtime.histories if isinstance(runtime, GraphRuntime) else runtime.pool).ages
        ages[self.slots] = geometry.left_frames  # what they remember is silence: that costs the same
        for _ in range(NUM_REHEARSALS):
            self.step()

    def step(self) -> np.ndarray:
        return self.runtime.step(self.mel, self.slots)

    def leave(self) -> None:
        for slot in self.slots:
            self.runtime.give(slot)
