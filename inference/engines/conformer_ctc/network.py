"""A streaming FastConformer with CTC head in torch, over whole utterances under a mask of chunks: for training and as the
specification of the batched streaming step. The parameters bear NeMo's names, so that its checkpoints load as they are.

Source: NVIDIA/NeMo `nemo/collections/asr/modules/conformer_encoder.py` and `parts/submodules/{conformer_modules,
multi_head_attention,subsampling,causal_convs}.py`, Apache-2.0; Rekesh et al. 2023, "Fast Conformer"; Noroozi et al. 2023,
"Stateful Conformer with Cache-based Inference for Streaming ASR".
"""

import math
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.engines.conformer_ctc.config import EncoderConfig

KERNEL: Final = 3
LEFT_PADDING: Final = KERNEL - 1
RIGHT_PADDING: Final = 1
"""Each subsampling stage: output frame n sees the input frames 2n - 2 … 2n, so never a later one."""
MASKED_SCORE: Final = -10_000.0


class CausalConv2d(nn.Conv2d):
    """Kernel 3, stride 2, padded by two before and one after, in time and in frequency alike."""

    def __init__(self, num_inputs: int, num_outputs: int, groups: int) -> None:
        super().__init__(num_inputs, num_outputs, KERNEL, stride=2, groups=groups)

    def forward(self, states: Tensor) -> Tensor:
        padded = functional.pad(states, (LEFT_PADDING, RIGHT_PADDING, LEFT_PADDING, RIGHT_PADDING))
        return super().forward(padded)


class Subsampling(nn.Module):
    """Depthwise-striding subsampling by 4 or 8."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        channels = config.subsampling_channels
        stages: list[nn.Module] = [CausalConv2d(1, channels, 1), nn.ReLU()]
        for _ in range(config.num_stages - 1):
            stages += [CausalConv2d(channels, channels, channels), nn.Conv2d(channels, channels, 1), nn.ReLU()]
        self.conv = nn.Sequential(*stages)
        num_bands = config.num_mels
        for _ in range(config.num_stages):
            num_bands = halved(num_bands)
        self.out = nn.Linear(channels * num_bands, config.d_model)

    def forward(self, mel: Tensor, num_frames: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, mels) → (batch, frames after subsampling, d_model), and how many of those belong to each row.

        Frames beyond a row's end are zeros before every stage, so that a row is the same in whatever batch it stands.
        """
        states, lengths = mel[:, None], num_frames
        for stage in self.conv:
            if isinstance(stage, CausalConv2d):
                states = stage(_blanked(states, lengths))
                lengths = lengths // 2 + 1
            else:
                states = stage(states)
        return self.out(_blanked(states, lengths).transpose(1, 2).flatten(2)), lengths


class FeedForward(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.linear1 = nn.Linear(config.d_model, config.ff_expansion * config.d_model, config.use_bias)
        self.linear2 = nn.Linear(config.ff_expansion * config.d_model, config.d_model, config.use_bias)

    def forward(self, states: Tensor) -> Tensor:
        output: Tensor = self.linear2(functional.silu(self.linear1(states)))
        return output


class PointwiseConv(nn.Conv1d):
    """A convolution over one frame as a product of (…, inputs). The parameters are Conv1d's: (outputs, inputs, 1)."""

    def __init__(self, num_inputs: int, num_outputs: int, has_bias: bool) -> None:  # noqa: FBT001
        super().__init__(num_inputs, num_outputs, 1, bias=has_bias)

    def forward(self, states: Tensor) -> Tensor:
        return functional.linear(states, self.weight.flatten(1), self.bias)


class CausalDepthwiseConv(nn.Conv1d):
    """Over (batch, frames, d_model); frame n sees the frames n - kernel + 1 … n."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config.d_model, config.d_model, config.conv_kernel, groups=config.d_model, bias=config.use_bias)

    def forward(self, states: Tensor) -> Tensor:
        padded = functional.pad(states.transpose(1, 2), (self.kernel_size[0] - 1, 0))
        return super().forward(padded).transpose(1, 2)


class Convolution(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.pointwise_conv1 = PointwiseConv(config.d_model, 2 * config.d_model, config.use_bias)
        self.depthwise_conv = CausalDepthwiseConv(config)
        self.batch_norm = nn.LayerNorm(config.d_model)
        """NeMo's name; streaming models have a LayerNorm here."""
        self.pointwise_conv2 = PointwiseConv(config.d_model, config.d_model, config.use_bias)

    def forward(self, states: Tensor) -> Tensor:
        gated = functional.glu(self.pointwise_conv1(states), dim=-1)
        return self.mix(self.depthwise_conv(gated))

    def mix(self, convolved: Tensor) -> Tensor:
        """What comes behind the depthwise convolution."""
        output: Tensor = self.pointwise_conv2(functional.silu(self.batch_norm(convolved)))
        return output


class SelfAttention(nn.Module):
    """Attention with relative positions as in Transformer-XL."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        size = config.d_model
        self.num_heads, self.head_size = config.num_heads, config.head_size
        self.linear_q = nn.Linear(size, size, config.use_bias)
        self.linear_k = nn.Linear(size, size, config.use_bias)
        self.linear_v = nn.Linear(size, size, config.use_bias)
        self.linear_out = nn.Linear(size, size, config.use_bias)
        self.linear_pos = nn.Linear(size, size, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(config.num_heads, config.head_size))
        self.pos_bias_v = nn.Parameter(torch.zeros(config.num_heads, config.head_size))

    def heads(self, states: Tensor) -> Tensor:
        """(batch, frames, d_model) → (batch, heads, frames, head size)."""
        return states.view(*states.shape[:-1], self.num_heads, self.head_size).transpose(-3, -2)

    def forward(self, states: Tensor, positions: Tensor, allowed: Tensor) -> Tensor:
        """Args:
        states: (batch, frames, d_model), normed. positions: as from `relative_positions(frames)`.
        allowed: bool (batch or 1, 1, frames, frames), true where the frame of the row may look at that of the column.
        """
        query, key, value = (self.heads(linear(states)) for linear in (self.linear_q, self.linear_k, self.linear_v))
        by_content = (query + self.pos_bias_u[:, None]) @ key.transpose(-2, -1)
        by_position = shifted((query + self.pos_bias_v[:, None]) @ self.heads(self.linear_pos(positions)).transpose(-2, -1))
        scores = (by_content + by_position).float() * self.head_size**-0.5
        weights = scores.masked_fill(~allowed, MASKED_SCORE).softmax(dim=-1).masked_fill(~allowed, 0.0)
        attended = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        output: Tensor = self.linear_out(attended)
        return output


class ConformerLayer(nn.Module):
    def __init__(self, config: EncoderConfig, dropout: float) -> None:
        super().__init__()
        self.norm_feed_forward1 = nn.LayerNorm(config.d_model)
        self.feed_forward1 = FeedForward(config)
        self.norm_self_att = nn.LayerNorm(config.d_model)
        self.self_attn = SelfAttention(config)
        self.norm_conv = nn.LayerNorm(config.d_model)
        self.conv = Convolution(config)
        self.norm_feed_forward2 = nn.LayerNorm(config.d_model)
        self.feed_forward2 = FeedForward(config)
        self.norm_out = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, positions: Tensor, allowed: Tensor) -> Tensor:
        states = states + 0.5 * self.dropout(self.feed_forward1(self.norm_feed_forward1(states)))
        states = states + self.dropout(self.self_attn(self.norm_self_att(states), positions, allowed))
        states = states + self.dropout(self.conv(self.norm_conv(states)))
        states = states + 0.5 * self.dropout(self.feed_forward2(self.norm_feed_forward2(states)))
        output: Tensor = self.norm_out(states)
        return output


class Encoder(nn.Module):
    def __init__(self, config: EncoderConfig, dropout: float) -> None:
        super().__init__()
        self.config = config
        self.pre_encode = Subsampling(config)
        self.layers = nn.ModuleList(ConformerLayer(config, dropout) for _ in range(config.num_layers))
        self.dropout = nn.Dropout(dropout)

    def enter(self, mel: Tensor, num_frames: Tensor) -> tuple[Tensor, Tensor]:
        """What the first layer gets, and how many frames of it belong to each row."""
        states, num_out = self.pre_encode(mel, num_frames)
        scale = math.sqrt(self.config.d_model) if self.config.xscaling else 1.0
        return self.dropout(states * scale), num_out

    def climb(self, states: Tensor, num_out: Tensor, right_frames: int) -> Iterator[Tensor]:
        """What comes out of each layer in turn."""
        allowed = attention_mask(num_out, states.shape[1], right_frames, self.config.left_chunks(right_frames))
        positions = relative_positions(states.shape[1], self.config.d_model).to(states)
        for layer in self.layers:
            states = layer(states, positions, allowed)
            yield states

    def forward(self, mel: Tensor, num_frames: Tensor, right_frames: int) -> tuple[Tensor, Tensor]:
        states, num_out = self.enter(mel, num_frames)
        *_, last = self.climb(states, num_out, right_frames)
        return last, num_out


class CtcDecoder(nn.Module):
    def __init__(self, d_model: int, num_outputs: int) -> None:
        super().__init__()
        self.decoder_layers = nn.Sequential(PointwiseConv(d_model, num_outputs, has_bias=True))

    def forward(self, states: Tensor) -> Tensor:
        """(batch, frames, d_model) → float32 log-probabilities (batch, frames, tokens + blank)."""
        logits: Tensor = self.decoder_layers(states)
        return logits.float().log_softmax(dim=-1)


class ConformerCtc(nn.Module):
    """vocab_size: without the blank, which is the last output."""

    def __init__(self, config: EncoderConfig, vocab_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, dropout)
        self.ctc_decoder = CtcDecoder(config.d_model, vocab_size + 1)

    def forward(self, mel: Tensor, num_frames: Tensor, right_frames: int) -> tuple[Tensor, Tensor]:
        """Whole utterances, masked as if they came in chunks of right_frames + 1.

        Args:
            mel: float32 (batch, mel frames, mels), as from `LogMel` but frames first. num_frames: int64 (batch,), how many of
                the mel frames belong to each row.

        Returns:
            Log-probabilities float32 (batch, frames, tokens + blank), and the frames of each row: int64 (batch,).
        """
        states, num_out = self.encoder(mel, num_frames, right_frames)
        return self.ctc_decoder(states), num_out


def halved(length: int) -> int:
    """Frames or bands after one stage of stride two."""
    return length // 2 + 1


def num_outputs(num_mel_frames: int, config: EncoderConfig) -> int:
    """Encoder frames that so many mel frames give."""
    for _ in range(config.num_stages):
        num_mel_frames = halved(num_mel_frames)
    return num_mel_frames


def relative_positions(num_frames: int, d_model: int) -> Tensor:
    """Sines (even) and cosines (odd) of the distances num_frames - 1 down to 1 - num_frames: float32 (distances, d_model)."""
    distances = torch.arange(num_frames - 1, -num_frames, -1, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, d_model, 2, dtype=torch.float32) * -(math.log(10_000.0) / d_model))
    return torch.stack([(distances * rates).sin(), (distances * rates).cos()], dim=-1).flatten(1)


def shifted(scores: Tensor) -> Tensor:
    """From scores by distance (…, frames, 2 x frames - 1) to scores by place (…, frames, frames).

    Source: Dai et al. 2019, "Transformer-XL", appendix B.
    """
    *outer, num_frames, num_distances = scores.shape
    padded = functional.pad(scores, (1, 0)).view(*outer, num_distances + 1, num_frames)
    return padded[..., 1:, :].reshape(*outer, num_frames, num_distances)[..., :num_frames]


def attention_mask(num_out: Tensor, num_frames: int, right_frames: int, left_chunks: int) -> Tensor:
    """bool (batch, 1, frames, frames), true where the frame of the row may look at that of the column."""
    chunks = torch.arange(num_frames, device=num_out.device) // (right_frames + 1)
    behind = chunks[:, None] - chunks[None]
    in_reach = (behind >= 0) & (behind <= left_chunks)
    is_real = torch.arange(num_frames, device=num_out.device) < num_out[:, None]
    return (in_reach & is_real[:, None])[:, None]


def _blanked(states: Tensor, lengths: Tensor) -> Tensor:
    """(batch, channels, frames, bands) with zeros beyond each row's length."""
    is_real = torch.arange(states.shape[2], device=states.device) < lengths[:, None]
    return states * is_real[:, None, :, None]
