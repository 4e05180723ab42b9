"""Small networks with random weights, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from inference.decoding.tokens import WORD_START, Tokens
from inference.engines.arithmetic import CPU, FP32, Arithmetic
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.step import CtcHead, StreamingEncoder
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint, Outline

NUM_TOKENS: Final = 20
LETTERS: Final = (WORD_START, *"abcdefghijklmnopqrs")
SHAPES = {
    "8x, one frame of look-ahead": (8, (6, 1)),
    "8x, none": (8, (4, 0)),
    "8x, six frames, and a past of no whole chunks": (8, (23, 6)),
    "4x, four frames": (4, (10, 4)),
}


def config_of(subsampling: int, context: tuple[int, int], *, xscaling: bool = False, use_bias: bool = True) -> EncoderConfig:
    return EncoderConfig(
        num_mels=80,
        d_model=32,
        num_layers=2,
        num_heads=4,
        subsampling=subsampling,
        subsampling_channels=16,
        contexts=(context,),
        xscaling=xscaling,
        use_bias=use_bias,
    )


def network_of(config: EncoderConfig) -> ConformerCtc:
    """Weights are wide apart, so that whatever is mixed up shows."""
    with seeded(0):
        network = ConformerCtc(config, NUM_TOKENS).eval()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.3)
    return network


def runtime_of(network: ConformerCtc, arithmetic: Arithmetic = FP32) -> TorchRuntime:
    weights = {name: weight.detach() for name, weight in network.state_dict().items()}
    geometry = Geometry(network.config, network.config.default_right_frames)
    return TorchRuntime(StreamingEncoder(geometry, weights), CtcHead(weights), arithmetic, CPU)


def random_mel(num_rows: int, num_frames: int) -> Tensor:
    with seeded(1):
        return torch.randn(num_rows, num_frames, 80) * 3 - 6


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True, slots=True)
class RandomFiles:
    """Stands for the files of a model. Its last token is the blank; the others are letters."""

    config: EncoderConfig
    name: str = "random"

    def outline(self) -> Outline:
        return Outline(config=self.config, tokens=Tokens(LETTERS), heads=("ctc",))

    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in network_of(self.config).parameters())

    def load(self) -> Checkpoint:
        outline = self.outline()
        parameters = {name: weight.detach() for name, weight in network_of(self.config).state_dict().items()}
        return Checkpoint(config=outline.config, tokens=outline.tokens, heads=outline.heads, parameters=parameters)
