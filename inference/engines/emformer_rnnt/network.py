"""torchaudio's Emformer and its transducer in batches of streams of any age.

torchaudio's own step takes the age of the first row for that of all, so streams share a step only with others that remember as
much: from the eighth segment on, which is a second and a quarter, all do.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from inference.engines.arithmetic import Arithmetic
from inference.engines.emformer_rnnt.weights import LEFT_FRAMES, RIGHT_FRAMES, SEGMENT_FRAMES, STRIDE
from inference.engines.int8 import quantise
from inference.engines.transducer import State

SEGMENT_MELS: Final = SEGMENT_FRAMES * STRIDE
SEEN_MELS: Final = SEGMENT_MELS + RIGHT_FRAMES * STRIDE
"""A step encodes 160 ms, and hears 40 ms behind them."""


class EmformerEncoder:
    """Args:
    transcriber: of torchaudio's RNNT.
    """

    def __init__(self, transcriber: nn.Module, arithmetic: Arithmetic, device: torch.device) -> None:
        self.device = device
        self.dtype = arithmetic.dtype
        layers: Any = transcriber.get_submodule("transformer.emformer_layers")
        self.num_layers, self.size = len(layers), layers[0].input_dim
        self.transcriber: Any = transcriber.to(device, arithmetic.dtype)
        if arithmetic.has_int8:
            quantise(transcriber)

    def start(self) -> Tensor:
        """What a stream remembers before its first segment: keys and values, (2 x layers, left frames, size)."""
        return torch.zeros((2 * self.num_layers, LEFT_FRAMES, self.size), dtype=self.dtype, device=self.device)

    def step(self, features: Tensor, memories: Sequence[Tensor], num_seen: int) -> tuple[Tensor, list[Tensor]]:
        """One segment of each stream.

        Args:
            features: float32 (rows, 20, mels), on the CPU: the segment, and what is heard behind it.
            num_seen: frames that every stream remembers, at most LEFT_FRAMES.

        Returns:
            float32 (rows, 4, size of the encoding) on the CPU, and what each stream remembers now.
        """
        num_rows = len(features)
        together = torch.stack(list(memories), dim=2)
        ages = torch.full((1, num_rows), num_seen, dtype=torch.int32)
        none = together.new_zeros((0, num_rows, self.size))
        states = [[none, *together[2 * layer : 2 * layer + 2], ages] for layer in range(self.num_layers)]
        lengths = torch.full((num_rows,), SEEN_MELS, device=self.device)
        encoded, _, after = self.transcriber.infer(features.to(self.device, self.dtype), lengths, states)
        remembered = torch.stack([part for state in after for part in state[1:3]])
        return encoded.float().cpu(), [row.clone() for row in remembered.unbind(2)]


class EmformerTransducer:
    """A `Transducer` of torchaudio's predictor and joiner, on the processor. State: hidden and cell of each layer, (rows, size),
    and what the joiner gets of them.
    """

    def __init__(self, network: nn.Module) -> None:
        self.predictor: Any = network.predictor
        self.joiner: Any = network.joiner

    @property
    def blank(self) -> int:
        return int(self.joiner.linear.out_features) - 1

    def start(self, num_rows: int) -> State:
        return self._state(*self._predicted(torch.full((num_rows,), self.blank), None))

    def advance(self, tokens: Tensor, state: State) -> State:
        layers = [list(state[place : place + 2]) for place in range(0, len(state) - 1, 2)]
        return self._state(*self._predicted(tokens, layers))

    def logits(self, frames: Tensor, state: State) -> Tensor:
        output: Tensor = self.joiner.linear(self.joiner.activation(frames + state[-1]))
        return output

    def _predicted(self, tokens: Tensor, layers: list[list[Tensor]] | None) -> tuple[Tensor, list[list[Tensor]]]:
        output, _, after = self.predictor(tokens[:, None], torch.ones(len(tokens), dtype=torch.int32), layers)
        return output[:, 0], after

    def _state(self, output: Tensor, layers: list[list[Tensor]]) -> State:
        return (*(part for layer in layers for part in layer), output)
