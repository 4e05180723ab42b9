"""One streaming step of the network: a chunk of each of many streams, of whatever age, given what they remember.

The weights are those of `network.py`, put together so that a step is few operations. What a stream remembers comes from a
`Memory`; the step itself keeps nothing.

Source: the caches are those of Noroozi et al. 2023, "Stateful Conformer with Cache-based Inference for Streaming ASR".
"""

import math
from collections.abc import Mapping
from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.network import relative_positions

UNSEEN: Final = -10_000.0
"""Added to the score of a place that holds no frame of the stream yet; fits into float16 and bfloat16."""
Weights = Mapping[str, Tensor]


class Memory(Protocol):
    """What the streams of a batch remember. Each method takes what is new of the chunk, keeps it for the next step, and
    gives it back behind what was remembered, oldest first. Called once a step and layer."""

    def keys_and_values(self, layer: int, new: Tensor) -> Tensor:
        """(rows, chunk, 2 * d_model) → (rows, left + chunk, 2 * d_model)."""

    def gated(self, layer: int, new: Tensor) -> Tensor:
        """Before the depthwise convolution: (rows, chunk, d_model) → (rows, kernel - 1 + chunk, d_model)."""

    def stage_input(self, stage: int, new: Tensor) -> Tensor:
        """Before a stage of the subsampling: (rows, frames, bands, channels) → (rows, 1 + frames, bands, channels)."""


class Subsampling(nn.Module):
    """The stages over a chunk, channels last. Frames before a stream's first one are zeros before every stage."""

    def __init__(self, geometry: Geometry, weights: Weights) -> None:
        super().__init__()
        config = geometry.config
        self.num_virtual = geometry.num_virtual_mel_frames
        names = ["conv.0", *(f"conv.{3 * stage - 1}" for stage in range(1, config.num_stages))]
        self.kernels = nn.ParameterList(weights[f"{name}.weight"] for name in names)
        self.biases = nn.ParameterList(weights[f"{name}.bias"] for name in names)
        self.mixers = nn.ModuleList(linear(weights, f"conv.{3 * stage}") for stage in range(1, config.num_stages))
        scale = math.sqrt(config.d_model) if config.xscaling else 1.0
        by_band = weights["out.weight"].view(config.d_model, config.subsampling_channels, -1).transpose(1, 2).flatten(1)
        self.out = made_linear(by_band * scale, weights["out.bias"] * scale)

    def forward(self, mel: Tensor, is_fresh: Tensor | None, memory: Memory) -> Tensor:
        """(rows, mel frames, mels) → (rows, chunk, d_model)."""
        states, num_virtual = mel[..., None], self.num_virtual
        for stage, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            seen = functional.pad(memory.stage_input(stage, states), (0, 0, 2, 1)).permute(0, 3, 1, 2)
            groups = 1 if stage == 0 else seen.shape[1]
            states = functional.conv2d(seen, kernel, bias, stride=2, groups=groups).permute(0, 2, 3, 1)
            states = functional.relu_(states if stage == 0 else self.mixers[stage - 1](states))
            num_virtual //= 2
            if is_fresh is not None and num_virtual:
                states = _without_virtual(states, is_fresh, num_virtual)
        output: Tensor = self.out(states.flatten(2))
        return output


class FeedForward(nn.Module):
    """Half of its output is added in a layer: the half is in the weights."""

    def __init__(self, weights: Weights, norm: str, name: str) -> None:
        super().__init__()
        self.norm = _norm(weights, norm)
        self.linear1 = linear(weights, f"{name}.linear1")
        self.linear2 = linear(weights, f"{name}.linear2", scale=0.5)

    def forward(self, states: Tensor) -> Tensor:
        output: Tensor = self.linear2(functional.silu(self.linear1(self.norm(states)), inplace=True))
        return output


class Attention(nn.Module):
    """Scores are content + position. What depends on positions alone is projected here, once.

    by_distance: (heads, head size, distances) from left + chunk - 1 down to 1 - chunk, scaled. between: (heads, 1, distances),
    what it is for the difference of the two biases, one of which is in the query.
    """

    def __init__(self, geometry: Geometry, weights: Weights) -> None:
        super().__init__()
        config = geometry.config
        self.chunk_frames = geometry.chunk_frames
        self.num_heads, self.head_size, self.size = config.num_heads, config.head_size, config.d_model
        self.norm = _norm(weights, "norm_self_att")
        bias_u, bias_v = weights["self_attn.pos_bias_u"], weights["self_attn.pos_bias_v"]
        names = [f"self_attn.linear_{part}" for part in ("q", "k", "v")]
        biases = [weights.get(f"{name}.bias", torch.zeros(config.d_model)) for name in names]
        biases[0] = biases[0] + bias_u.flatten()
        self.project = made_linear(torch.cat([weights[f"{name}.weight"] for name in names]), torch.cat(biases))
        self.out = linear(weights, "self_attn.linear_out")
        positions = relative_positions(geometry.left_frames + self.chunk_frames, config.d_model)
        seen = positions[: geometry.left_frames + 2 * self.chunk_frames - 1] @ weights["self_attn.linear_pos.weight"].T
        by_distance = seen.T.reshape(self.num_heads, self.head_size, -1) * self.head_size**-0.5
        self.by_distance = nn.Buffer(by_distance)
        self.between = nn.Buffer((bias_v - bias_u)[:, None] @ by_distance)

    def forward(self, states: Tensor, unseen: Tensor | None, memory: Memory, layer: int) -> Tensor:
        """(rows, chunk, d_model) → the same. unseen: what is added to scores, (rows, 1, 1, left + chunk), if anything."""
        query, new = torch.split(self.project(self.norm(states)), [self.size, 2 * self.size], dim=-1)
        seen = memory.keys_and_values(layer, new)
        heads = self._heads(query)
        bias = self._by_place(heads)
        if unseen is not None:
            bias = bias + unseen
        if seen.dtype == torch.bfloat16 and seen.device.type == "cpu":  # so few queries at a time are faster in float32 there
            heads, seen, bias = heads.float(), seen.float(), bias.float()
        key, value = (self._heads(part) for part in torch.split(seen, self.size, dim=-1))
        attended = functional.scaled_dot_product_attention(heads, key, value, attn_mask=bias)
        output: Tensor = self.out(attended.transpose(1, 2).flatten(2).to(states.dtype))
        return output

    def _heads(self, states: Tensor) -> Tensor:
        """(rows, frames, d_model) → (rows, heads, frames, head size)."""
        return states.view(*states.shape[:2], self.num_heads, self.head_size).transpose(1, 2)

    def _by_place(self, heads: Tensor) -> Tensor:
        """Scores of positions, (rows, heads, chunk, left + chunk): each query sees the distances from another one on."""
        chunk, num_distances = self.chunk_frames, self.by_distance.shape[-1]
        together = heads.transpose(0, 1).flatten(1, 2)
        scores = torch.baddbmm(self.between, together, self.by_distance)
        scores = scores.view(self.num_heads, -1, chunk, num_distances).transpose(0, 1)
        if chunk == 1:
            return scores
        skewed = scores.flatten(2)[..., chunk - 1 : chunk * num_distances - 1]
        return skewed.view(*skewed.shape[:2], chunk, num_distances - 1)[..., : num_distances - chunk + 1]


class Convolution(nn.Module):
    def __init__(self, geometry: Geometry, weights: Weights) -> None:
        super().__init__()
        self.chunk_frames = geometry.chunk_frames
        self.norm = _norm(weights, "norm_conv")
        self.enter = linear(weights, "conv.pointwise_conv1")
        kernel = weights["conv.depthwise_conv.weight"][:, 0].T
        self.taps = nn.Buffer(kernel.contiguous())
        bias = weights.get("conv.depthwise_conv.bias")
        self.bias = nn.Buffer(torch.zeros(kernel.shape[1]) if bias is None else bias)
        self.inner_norm = _norm(weights, "conv.batch_norm")
        self.leave = linear(weights, "conv.pointwise_conv2")

    def forward(self, states: Tensor, memory: Memory, layer: int) -> Tensor:
        seen = memory.gated(layer, functional.glu(self.enter(self.norm(states)), dim=-1))
        mixed = torch.addcmul(self.bias, seen[:, : self.chunk_frames], self.taps[0])
        for place in range(1, len(self.taps)):
            mixed = torch.addcmul(mixed, seen[:, place : place + self.chunk_frames], self.taps[place])
        output: Tensor = self.leave(functional.silu(self.inner_norm(mixed)))
        return output


class Layer(nn.Module):
    def __init__(self, geometry: Geometry, weights: Weights, number: int) -> None:
        super().__init__()
        self.number = number
        self.feed_forward1 = FeedForward(weights, "norm_feed_forward1", "feed_forward1")
        self.attention = Attention(geometry, weights)
        self.convolution = Convolution(geometry, weights)
        self.feed_forward2 = FeedForward(weights, "norm_feed_forward2", "feed_forward2")
        self.norm = _norm(weights, "norm_out")

    def forward(self, states: Tensor, unseen: Tensor | None, memory: Memory) -> Tensor:
        states = states + self.feed_forward1(states)
        states = states + self.attention(states, unseen, memory, self.number)
        states = states + self.convolution(states, memory, self.number)
        states = states + self.feed_forward2(states)
        output: Tensor = self.norm(states)
        return output


class StreamingEncoder(nn.Module):
    """weights: by NeMo's names, `encoder.…`; they are copied where they are changed, and shared where not."""

    def __init__(self, geometry: Geometry, weights: Weights) -> None:
        super().__init__()
        self.geometry = geometry
        self.subsampling = Subsampling(geometry, below(weights, "encoder.pre_encode."))
        self.layers = nn.ModuleList(
            Layer(geometry, below(weights, f"encoder.layers.{number}."), number) for number in range(geometry.config.num_layers)
        )
        self.requires_grad_(requires_grad=False)

    def forward(self, mel: Tensor, is_fresh: Tensor | None, unseen: Tensor | None, memory: Memory) -> Tensor:
        """Args:
            mel: (rows, chunk mel frames, mels); zeros before a stream's first frame.
            is_fresh: bool (rows,), where the chunk is a stream's first; None: nowhere.
            unseen: (rows, 1, 1, left + chunk), UNSEEN where no frame of the stream is yet, else 0; None: 0 everywhere.

        Returns:
            (rows, chunk, d_model).
        """
        states: Tensor = self.subsampling(mel, is_fresh, memory)
        for layer in self.layers:
            states = layer(states, unseen, memory)
        return states


class CtcHead(nn.Module):
    """(rows, frames, d_model) → log-probabilities float32 (rows, frames, tokens + blank)."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.linear = linear(weights, "ctc_decoder.decoder_layers.0")
        self.requires_grad_(requires_grad=False)

    def forward(self, states: Tensor) -> Tensor:
        logits: Tensor = self.linear(states)
        return logits.float().log_softmax(dim=-1)


def below(weights: Weights, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


def linear(weights: Weights, name: str, *, scale: float = 1.0) -> nn.Linear:
    """Also of a convolution over one frame."""
    weight, bias = weights[f"{name}.weight"].flatten(1), weights.get(f"{name}.bias")
    if scale != 1.0:
        weight, bias = weight * scale, None if bias is None else bias * scale
    return made_linear(weight, bias)


def made_linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made


def _norm(weights: Weights, name: str) -> nn.LayerNorm:
    made = nn.LayerNorm(len(weights[f"{name}.weight"]), device="meta")
    made.weight = nn.Parameter(weights[f"{name}.weight"], requires_grad=False)
    made.bias = nn.Parameter(weights[f"{name}.bias"], requires_grad=False)
    return made


def _without_virtual(states: Tensor, is_fresh: Tensor, num_virtual: int) -> Tensor:
    """Zeros in place of what came out of nothing: the first frames of fresh rows of (rows, frames, bands, channels)."""
    is_virtual = torch.arange(states.shape[1], device=states.device) < num_virtual
    return states.masked_fill((is_fresh[:, None] & is_virtual)[:, :, None, None], 0.0)
