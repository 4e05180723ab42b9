"""Whisper's encoder and decoder in torch, made for many short streams in one batch.

Unlike the original the encoder runs on the real window length (no padding to 30 s) and on windows of different length
one behind the other: none is padded to another's length. The decoder keeps its keys and values in a cache that is
allocated once; every row of a batch has its own position in it.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from inference.engines.int8 import Int8Linear, quantise
from inference.engines.whisper.packing import Packing, packing, rounded_up

MAX_TOKENS = 448
"""Text positions that Whisper was trained with."""
MAX_FRAMES = 1500
"""Encoder frames that Whisper was trained with: 30 s."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    num_mels: int
    num_states: int
    num_heads: int
    num_encoder_layers: int
    num_decoder_layers: int
    num_tokens: int
    max_frames: int

    @property
    def head_size(self) -> int:
        return self.num_states // self.num_heads

    @classmethod
    def of(cls, parameters: dict[str, Tensor], num_heads: int) -> "Dimensions":
        """Read off the shapes of `parameters` (names as in WhisperNetwork)."""

        def count(prefix: str) -> int:
            return len({name.split(".")[2] for name in parameters if name.startswith(f"{prefix}.layers.")})

        num_tokens, num_states = parameters["decoder.embeddings"].shape
        num_mels, max_frames = parameters["encoder.conv1.weight"].shape[1], parameters["encoder.positions"].shape[0]
        return cls(num_mels, num_states, num_heads, count("encoder"), count("decoder"), num_tokens, max_frames)


class _Projections(nn.Module):
    """Pre-norm and the linear layers of one attention block, under CTranslate2's names."""

    def __init__(self, dims: Dimensions, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.num_heads = dims.num_heads
        self.norm = nn.LayerNorm(dims.num_states)
        for index, width in enumerate(widths):
            self.add_module(f"linear_{index}", nn.Linear(dims.num_states, width * dims.num_states))

    def heads(self, states: Tensor) -> Tensor:
        """(batch, length, states) → (batch, heads, length, head size)."""
        return states.view(*states.shape[:-1], self.num_heads, -1).transpose(1, 2)


class SelfAttention(_Projections):
    linear_0: nn.Linear
    linear_1: nn.Linear

    def __init__(self, dims: Dimensions) -> None:
        super().__init__(dims, (3, 1))

    def project(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of `states`, split into heads."""
        query, key, value = self.linear_0(self.norm(states)).chunk(3, dim=-1)
        return self.heads(query), self.heads(key), self.heads(value)

    def merge(self, attended: Tensor) -> Tensor:
        output: Tensor = self.linear_1(attended.transpose(1, 2).flatten(2))
        return output


class CrossAttention(_Projections):
    linear_0: nn.Linear
    linear_1: nn.Linear
    linear_2: nn.Linear

    def __init__(self, dims: Dimensions) -> None:
        super().__init__(dims, (1, 2, 1))

    def project_audio(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Key and value of the encoder's output, once per window."""
        key, value = self.linear_1(encoded).chunk(2, dim=-1)
        return self.heads(key), self.heads(value)

    def forward(self, states: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Attended states and the attention weights (batch, heads, length, frames)."""
        query = self.heads(self.linear_0(self.norm(states)))
        scores = (query @ key.transpose(2, 3)) * query.shape[-1] ** -0.5 + bias
        weights = scores.float().softmax(dim=-1)
        attended = weights.to(value.dtype) @ value
        output: Tensor = self.linear_2(attended.transpose(1, 2).flatten(2))
        return output, weights


class FeedForward(nn.Module):
    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dims.num_states)
        self.linear_0 = nn.Linear(dims.num_states, 4 * dims.num_states)
        self.linear_1 = nn.Linear(4 * dims.num_states, dims.num_states)

    def forward(self, states: Tensor) -> Tensor:
        output: Tensor = self.linear_1(functional.gelu(self.linear_0(self.norm(states))))
        return output


class EncoderLayer(nn.Module):
    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.self_attention = SelfAttention(dims)
        self.ffn = FeedForward(dims)

    def forward(self, states: Tensor, windows: Packing) -> Tensor:
        """Packed states (frames, states); only the frames of one window see each other."""
        query, key, value = self.self_attention.linear_0(self.self_attention.norm(states)).chunk(3, dim=-1)
        attended = windows.attend(query, key, value, self.self_attention.heads)
        states = states + self.self_attention.linear_1(attended)
        output: Tensor = states + self.ffn(states)
        return output


class FrameConv(nn.Conv1d):
    """A convolution over three frames as a product, so that windows of any length share it. The parameters are Conv1d's."""

    def forward(self, triples: Tensor) -> Tensor:
        """(frames, 3 x inputs) → (frames, outputs)."""
        return functional.linear(triples, self.weight.flatten(1), self.bias)


class Encoder(nn.Module):
    """Windows of different length lie one behind the other, without padding between them: a batch costs what its frames cost."""

    positions: Tensor

    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.conv1 = FrameConv(dims.num_mels, dims.num_states, kernel_size=3)
        self.conv2 = FrameConv(dims.num_states, dims.num_states, kernel_size=3)
        self.register_buffer("positions", torch.zeros(dims.max_frames, dims.num_states))
        self.layers = nn.ModuleList(EncoderLayer(dims) for _ in range(dims.num_encoder_layers))
        self.norm = nn.LayerNorm(dims.num_states)

    def forward(self, mels: Sequence[Tensor]) -> list[Tensor]:
        """Encode windows.

        Args:
            mels: (mel frames, mels) each; the number of frames is even.

        Returns:
            (mel frames / 2, states) for each.
        """
        lengths = [len(mel) // 2 for mel in mels]
        windows = packing([len(mel) for mel in mels], self.positions.device)
        states = functional.gelu(self.conv1(rounded_up(windows.triples(mels))))
        states = functional.gelu(self.conv2(rounded_up(windows.every_second(states))))
        places = torch.cat([self.positions[:length] for length in lengths])
        states[: len(places)] += places
        for layer in self.layers:
            states = layer(states, windows)
        return list(torch.split(self.norm(states), [*lengths, len(states) - sum(lengths)])[:-1])

    def quantise(self) -> None:
        quantise(self.layers)
        self.conv1 = Int8Linear(self.conv1.weight.flatten(1), self.conv1.bias)  # type: ignore[assignment]  # takes its place
        self.conv2 = Int8Linear(self.conv2.weight.flatten(1), self.conv2.bias)  # type: ignore[assignment]  # takes its place


class DecoderLayer(nn.Module):
    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.self_attention = SelfAttention(dims)
        self.attention = CrossAttention(dims)
        self.ffn = FeedForward(dims)


@dataclass(frozen=True, slots=True)
class AudioMemory:
    """What the decoder can look at in a batch of windows.

    layers: per layer, key and value (batch, heads, frames, head size). bias: (batch, 1, 1, frames), 0 within a window,
    -inf beyond.
    """

    layers: list[tuple[Tensor, Tensor]]
    bias: Tensor

    def __len__(self) -> int:
        """Rows."""
        return len(self.bias)

    def keep(self, rows: Sequence[int]) -> "AudioMemory":
        """The same for some rows only."""
        kept = torch.tensor(rows, device="cpu").to(self.bias.device)
        return AudioMemory([(key[kept], value[kept]) for key, value in self.layers], self.bias[kept])


@dataclass(frozen=True, slots=True)
class TextMemory:
    """What was written so far: key and value (layers, batch, heads, positions, head size). Changed in place."""

    key: Tensor
    value: Tensor

    def keep(self, rows: Sequence[int]) -> "TextMemory":
        kept = torch.tensor(rows, device="cpu").to(self.key.device)
        return TextMemory(self.key[:, kept], self.value[:, kept])


class Decoder(nn.Module):
    positions: Tensor

    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.dims = dims
        self.embeddings = nn.Parameter(torch.zeros(dims.num_tokens, dims.num_states))
        self.register_buffer("positions", torch.zeros(MAX_TOKENS, dims.num_states))
        self.layers = nn.ModuleList(DecoderLayer(dims) for _ in range(dims.num_decoder_layers))
        self.norm = nn.LayerNorm(dims.num_states)
        self.vocabulary: Int8Linear | None = None

    def project(self, encoded: Sequence[Tensor]) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
        """Keys and values of each layer for the encoder's output (frames, states) of each window: (heads, frames, head size)."""
        packed = rounded_up(torch.cat(list(encoded)))
        lengths = [len(states) for states in encoded]
        lengths.append(len(packed) - sum(lengths))
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            key, value = layer.attention.project_audio(packed[None])
            yield list(torch.split(key[0], lengths, dim=1)[:-1]), list(torch.split(value[0], lengths, dim=1)[:-1])

    def project_padded(self, encoded: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """The same by few large products: (batch, heads, longest, head size). What lies beyond a window's end has no meaning."""
        padded = pad_sequence(list(encoded), batch_first=True)
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            yield layer.attention.project_audio(padded)

    def blank(self, batch_size: int, max_tokens: int) -> TextMemory:
        """Room for `max_tokens` positions in each row."""
        dims = self.dims
        shape = (dims.num_decoder_layers, batch_size, dims.num_heads, max_tokens, dims.head_size)
        return TextMemory(self.positions.new_zeros(shape), self.positions.new_zeros(shape))

    def forward(self, tokens: Tensor, first: Tensor, audio: AudioMemory, text: TextMemory) -> tuple[Tensor, list[Tensor]]:
        """Read `tokens` into the memory.

        Args:
            tokens: (batch, length).
            first: (batch,) position of each row's first token. Positions from there on are overwritten.
            text: is changed.

        Returns:
            States after the final norm (batch, length, states) and per layer the attention on the audio
            (batch, heads, length, frames), float32.
        """
        places = first[:, None] + torch.arange(tokens.shape[1], device=tokens.device)
        states = self.embeddings[tokens].to(self.positions.dtype) + self.positions[places]
        visible = torch.arange(text.key.shape[3], device=tokens.device) <= places[:, None, :, None]
        rows = torch.arange(tokens.shape[0], device=tokens.device)[:, None]
        attention: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            query, key, value = layer.self_attention.project(states)
            text.key[index].transpose(1, 2)[rows, places] = key.transpose(1, 2)
            text.value[index].transpose(1, 2)[rows, places] = value.transpose(1, 2)
            attended = functional.scaled_dot_product_attention(query, text.key[index], text.value[index], attn_mask=visible)
            states = states + layer.self_attention.merge(attended)
            heard, weights = layer.attention(states, *audio.layers[index], audio.bias)
            attention.append(weights)
            states = states + heard
            states = states + layer.ffn(states)
        return self.norm(states), attention

    def quantise(self) -> None:
        """The vocabulary's matrix is needed twice: in 8 bits to multiply by, and as it was stored to look tokens up in."""
        quantise(self.layers)
        self.vocabulary = Int8Linear(self.embeddings, None)
        self.embeddings.data = self.embeddings.data.half()

    def logits(self, states: Tensor) -> Tensor:
        """(…, states) → (…, tokens), float32."""
        if self.vocabulary is not None:
            logits: Tensor = self.vocabulary(states)
            return logits
        return functional.linear(states, self.embeddings).float()


class WhisperNetwork(nn.Module):
    def __init__(self, dims: Dimensions) -> None:
        super().__init__()
        self.dims = dims
        self.encoder = Encoder(dims)
        self.decoder = Decoder(dims)

    @classmethod
    def from_parameters(cls, parameters: dict[str, Tensor], num_heads: int) -> "WhisperNetwork":
        """A copy of all parameters and buffers; nothing is made up first that is overwritten then."""
        with torch.device("meta"):
            network = cls(Dimensions.of(parameters, num_heads))
        network.to_empty(device="cpu").load_state_dict(parameters)
        return network.eval().requires_grad_(requires_grad=False)

    def quantise(self) -> None:
        """Put all linear layers into 8-bit integers. Float32 networks only; the parameters cannot be loaded again."""
        self.encoder.quantise()
        self.decoder.quantise()

    def listen(self, encoded: Sequence[Tensor], after: "Silence", num_after: int) -> AudioMemory:
        """What the decoder sees of windows of different length, each followed by frames of silence.

        Args:
            encoded: (frames, states) of each window, from the encoder.
            after: a row that ends at frame n is followed by the silence of the frames n to n + `num_after`.
        """
        layers = [
            (_followed(keys, after_key), _followed(values, after_value))
            for (keys, values), (after_key, after_value) in zip(self._projected(encoded), after.layers, strict=True)
        ]
        return AudioMemory(layers, _bias([len(states) for states in encoded], after, num_after).to(layers[0][0]))

    def _projected(self, encoded: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Padded keys and values of each layer: window by window on a processor, all at once on a GPU."""
        if self.decoder.positions.device.type != "cpu":
            return self.decoder.project_padded(encoded)
        return ((_padded(keys), _padded(values)) for keys, values in self.decoder.project(encoded))


def _bias(lengths: Sequence[int], after: "Silence", num_after: int) -> Tensor:
    """float32 (batch, 1, 1, longest + groups), on the CPU: `AudioMemory.bias`."""
    num_frames = torch.tensor(lengths, device="cpu")
    beyond = torch.arange(max(lengths), device="cpu") >= num_frames[:, None]
    own_bias = torch.zeros(beyond.shape, device="cpu").masked_fill(beyond, float("-inf"))
    return torch.cat([own_bias, after.bias(num_frames, num_after)], dim=1)[:, None, None]


def _padded(parts: Sequence[Tensor]) -> Tensor:
    """(heads, frames, head size) each → (batch, heads, longest, head size)."""
    longest = max(part.shape[1] for part in parts)
    return torch.stack([functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts])


def _followed(own: Tensor, after: Tensor) -> Tensor:
    """(batch, heads, longest, head size) and (1, heads, groups, head size), one behind the other."""
    return torch.cat([own, after.expand(len(own), -1, -1, -1)], dim=2)


@dataclass(frozen=True, slots=True)
class Silence:
    """What the decoder's cross-attention makes of `num_frames` of silence, neighbouring frames condensed into their mean.

    Frames of silence differ little from their neighbours, so `n` of them weigh in a softmax as much as their mean with
    log n added to its score; looking at a tenth of the frames costs a tenth.

    layers: per layer, key and value (1, heads, groups, head size).
    """

    layers: list[tuple[Tensor, Tensor]]
    num_frames: int
    group_frames: int

    @classmethod
    def condensed(cls, layers: Iterable[tuple[list[Tensor], list[Tensor]]], group_frames: int) -> "Silence":
        """From what `Decoder.project` makes of one window; the last group may be a smaller one."""

        def means(frames: Tensor) -> Tensor:
            groups = torch.split(frames.float(), group_frames, dim=1)
            return torch.cat([group.mean(dim=1, keepdim=True) for group in groups], dim=1).to(frames.dtype)[None]

        parts = [(key, value) for (key,), (value,) in layers]
        return cls([(means(key), means(value)) for key, value in parts], parts[0][0].shape[1], group_frames)

    def bias(self, num_before: Tensor, num_after: int) -> Tensor:
        """log of how many frames of each group a row sees, float32 (batch, groups).

        Args:
            num_before: (batch,) on the CPU, frames that the row's own window takes; the silence is seen from there on,
                for `num_after` frames.
        """
        first = torch.arange(0, self.num_frames, self.group_frames, device="cpu")
        last = (first + self.group_frames).clamp(max=self.num_frames)
        seen_from, seen_to = num_before[:, None], (num_before + num_after)[:, None]
        num_seen = (torch.minimum(last, seen_to) - torch.maximum(first, seen_from)).clamp(min=0)
        return num_seen.float().log()
