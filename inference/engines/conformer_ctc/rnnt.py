"""The transducer's head of NeMo's streaming FastConformers: what was written so far (an LSTM), and the joint of both.

Parameters bear NeMo's names: `decoder.prediction.…`, `joint.…`. The projection of the encoder's frames (`joint.enc`) is a step
of the encoder here, since it knows nothing of what was written.

Source: NVIDIA/NeMo `nemo/collections/asr/modules/rnnt.py` (RNNTDecoder, RNNTJoint), Apache-2.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn

from inference.engines.transducer import State

EMBEDDING: Final = "decoder.prediction.embed.weight"
LSTM: Final = "decoder.prediction.dec_rnn.lstm."
PROJECTION: Final = "joint.enc.weight"
PROMPT: Final = "prompt_kernel."


@dataclass(frozen=True, slots=True)
class Sizes:
    """num_features: of the encoder. num_outputs: tokens and the blank. size: of the LSTM's layers. num_prompts: languages that it
    can be told to hear; 0: it is not told. prompt_size: within the network that tells it.
    """

    num_features: int
    num_outputs: int
    size: int
    num_layers: int
    joint_size: int
    num_prompts: int = 0
    prompt_size: int = 0

    def with_common(self, num_features: int, num_outputs: int) -> "Sizes":
        """The same beside another encoder and other tokens."""
        return replace(self, num_features=num_features, num_outputs=num_outputs)


class Predictor(nn.Module):
    """num_outputs: tokens and the blank. The blank's embedding is that of the beginning."""

    def __init__(self, num_outputs: int, size: int, num_layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_outputs, size)
        self.dec_rnn = nn.ModuleDict({"lstm": nn.LSTM(size, size, num_layers)})

    def forward(self, tokens: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """tokens: int64 (rows,). hidden, cell: (layers, rows, size). Returns (rows, size) and both anew."""
        output, (hidden, cell) = self.dec_rnn["lstm"](self.embed(tokens)[None], (hidden, cell))
        return output[0], hidden, cell


class Decoder(nn.Module):
    """As NeMo names it."""

    def __init__(self, num_outputs: int, size: int, num_layers: int) -> None:
        super().__init__()
        self.prediction = Predictor(num_outputs, size, num_layers)


class Joint(nn.Module):
    def __init__(self, num_features: int, size: int, joint_size: int, num_outputs: int) -> None:
        super().__init__()
        self.enc = nn.Linear(num_features, joint_size)
        self.pred = nn.Linear(size, joint_size)
        self.joint_net = nn.Sequential(nn.ReLU(), nn.Identity(), nn.Linear(joint_size, num_outputs))


class RnntHead(nn.Module):
    """A `Transducer` over frames that `project` has made of the encoder's. State: hidden and cell, (rows, layers, size), and
    what the joint gets of them, (rows, joint size).
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.decoder = Decoder(sizes.num_outputs, sizes.size, sizes.num_layers)
        self.joint = Joint(sizes.num_features, sizes.size, sizes.joint_size, sizes.num_outputs)
        if sizes.num_prompts:
            self.prompt_kernel = nn.Sequential(
                nn.Linear(sizes.num_features + sizes.num_prompts, sizes.prompt_size),
                nn.ReLU(),
                nn.Linear(sizes.prompt_size, sizes.num_features),
            )

    @classmethod
    def like(cls, parameters: Mapping[str, Tensor]) -> "RnntHead":
        """As large as `parameters` say.

        Raises:
            KeyError, ValueError: they do not say it.
        """
        num_outputs, size = parameters[EMBEDDING].shape
        joint_size, num_features = parameters[PROJECTION].shape
        num_layers = sum(name.startswith(f"{LSTM}weight_hh_l") for name in parameters)
        prompt_size, num_inputs = parameters.get(f"{PROMPT}0.weight", torch.empty(0, num_features)).shape
        return cls(Sizes(num_features, num_outputs, size, num_layers, joint_size, num_inputs - num_features, prompt_size))

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Tensor]) -> "RnntHead":
        """With `parameters`, all that it has and no others."""
        with torch.device("meta"):
            head = cls.like(parameters)
        head.load_state_dict(dict(parameters), assign=True)
        return head.eval().requires_grad_(requires_grad=False)

    def project(self, frames: Tensor, prompts: Tensor | None = None) -> Tensor:
        """(rows, frames, features) of the encoder → (rows, frames, joint size). prompts: int64 (rows,), where it wants them."""
        if prompts is not None:
            told = nn.functional.one_hot(prompts, self.sizes.num_prompts).to(frames)
            frames = self.prompt_kernel(torch.cat([frames, told[:, None].expand(-1, frames.shape[1], -1)], dim=-1))
        projected: Tensor = self.joint.enc(frames)
        return projected

    @property
    def blank(self) -> int:
        return self.sizes.num_outputs - 1

    def start(self, num_rows: int) -> State:
        zeros = self.joint.pred.weight.new_zeros(num_rows, self.sizes.num_layers, self.sizes.size)
        return self.advance(torch.full((num_rows,), self.blank, device=zeros.device), (zeros, zeros))

    def advance(self, tokens: Tensor, state: State) -> State:
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state[:2])
        output, hidden, cell = self.decoder.prediction(tokens, hidden, cell)
        return hidden.transpose(0, 1), cell.transpose(0, 1), self.joint.pred(output)

    def logits(self, frames: Tensor, state: State) -> Tensor:
        output: Tensor = self.joint.joint_net(frames + state[2])
        return output
