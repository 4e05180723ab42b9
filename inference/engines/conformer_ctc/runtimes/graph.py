"""The streaming step as one graph: a pure function from a chunk and what its streams remember to outputs and what is new.

It computes what `StreamingEncoder` computes, with the same weights. The difference is how the past is read: keys and values
come as rings that nobody puts in order, joins or copies, which is half of what a step costs otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn import functional

from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.step import UNSEEN, Attention, Convolution, Layer, StreamingEncoder, Subsampling

MAX_ROWS = 4096
"""More than any batch; a graph wants to be told a bound."""
MEL_FRAMES_KEPT = 3
"""Those that the last output of the first convolution was made of."""
BAND_PADDING = (2, 1)


@dataclass(frozen=True, slots=True)
class Rows:
    """Shapes of what a stream remembers, in the order in which a graph takes it, layer after layer of each kind.

    stages: (channels, frames, bands) of the input of each stage but the second. keys: (heads, head size, ring). values: (heads,
    ring, head size). gates: (kernel - 1, d_model), oldest first.
    """

    num_layers: int
    stages: tuple[tuple[int, ...], ...]
    keys: tuple[int, ...]
    values: tuple[int, ...]
    gates: tuple[int, ...]

    @classmethod
    def of(cls, geometry: Geometry) -> "Rows":
        config, ring, later = geometry.config, ring_frames(geometry), geometry.stage_rows()[2:]
        return cls(
            num_layers=config.num_layers,
            stages=((1, MEL_FRAMES_KEPT, config.num_mels), *((channels, 1, bands) for channels, bands in later)),
            keys=(config.num_heads, config.head_size, ring),
            values=(config.num_heads, ring, config.head_size),
            gates=(geometry.conv_frames, config.d_model),
        )

    def names(self) -> list[str]:
        """Of the inputs that hold the past."""
        kinds = ("keys", "values", "gates")
        layers = [f"{kind}_{layer}" for kind in kinds for layer in range(self.num_layers)]
        return [*(f"stage_{number}" for number in range(len(self.stages))), *layers]

    def shapes(self) -> list[tuple[int, ...]]:
        """Of the same, without the rows of the batch."""
        return [*self.stages, *(shape for shape in (self.keys, self.values, self.gates) for _ in range(self.num_layers))]


def ring_frames(geometry: Geometry) -> int:
    """A whole number of chunks, so that a chunk lies in one piece; one chunk, out of sight, where nothing is seen of the past."""
    return max(geometry.left_frames, geometry.chunk_frames)


class RingAttention(nn.Module):
    """`Attention` over a ring: scores of the past and of the chunk are computed apart."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.inner = attention

    def forward(
        self, states: Tensor, sources: Tensor, unseen: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Args:
            states: (rows, chunk, d_model). sources: of `score_sources`. unseen: (rows, 1, 1, ring + chunk). keys, values: the
                rings.

        Returns:
            What attention adds to the states; the chunk's keys (rows, heads, head size, chunk) and values (rows, heads, chunk,
            head size).
        """
        inner, chunk = self.inner, states.shape[1]
        query, key, value = (self._heads(part) for part in inner.project(inner.norm(states)).split(inner.size, dim=-1))
        key = key.transpose(-2, -1)
        scaled = (query * inner.head_size**-0.5).flatten(0, 1)
        by_content = torch.cat([_products(scaled, keys), _products(scaled, key)], dim=-1)
        by_row = self._by_row(by_content)
        scores = by_row + self._by_place(query, sources).view_as(by_row) + unseen
        weights = scores.softmax(dim=-1).flatten(0, 1)
        attended = _products(weights[..., :-chunk], values) + _products(weights[..., -chunk:], value)
        return inner.out(self._by_row(attended).transpose(1, 2).flatten(2)), key, value

    def _heads(self, states: Tensor) -> Tensor:
        """(rows, chunk, d_model) → (rows, heads, chunk, head size)."""
        return states.view(*states.shape[:-1], self.inner.num_heads, self.inner.head_size).transpose(1, 2)

    def _by_row(self, states: Tensor) -> Tensor:
        """(rows x heads, …) → (rows, heads, …)."""
        return states.view(-1, self.inner.num_heads, *states.shape[1:])

    def _by_place(self, query: Tensor, sources: Tensor) -> Tensor:
        """Scores of positions, in the order of `sources`."""
        inner = self.inner
        together = query.transpose(0, 1).flatten(1, 2)
        return (torch.bmm(together, inner.by_distance) + inner.between).flatten().index_select(0, sources)


def _products(left: Tensor, right: Tensor) -> Tensor:
    """(rows x heads, n, m) times (rows, heads, m, k). Not `@`: exported, it would copy what it broadcasts."""
    return torch.bmm(left, right.flatten(0, 1))


def score_sources(distances: Tensor, num_heads: int, num_distances: int) -> Tensor:
    """Where in the scores by distance of all queries together, in one line, those of (rows, heads, chunk, ring + chunk) are:
    int64, in one line too. To look up single numbers in a line is what libraries do fastest.

    Args:
        distances: int64 (rows, chunk, ring + chunk), which column of `by_distance` each place is. num_distances: its columns.
    """
    num_rows, num_frames, _num_places = distances.shape
    heads, rows, frames = (torch.arange(num, device=distances.device) for num in (num_heads, num_rows, num_frames))
    queries = (heads[:, None] * num_rows + rows[:, None, None]) * num_frames + frames
    return (queries[..., None] * num_distances + distances[:, None]).flatten()


class ChannelsFirst(nn.Module):
    """`Subsampling` as libraries like it: channels before frames and bands, and padding right before a convolution.

    What comes out of the first convolution is by far the largest thing in a step, so nothing passes over it that need not: its
    last frame of the chunk before is computed again from a few mel frames, and frames before a stream's first one are blank
    because a second input channel says so, by a weight that no sum outweighs.
    """

    def __init__(self, subsampling: Subsampling) -> None:
        super().__init__()
        self.inner = subsampling
        kernel = subsampling.kernels[0]
        blanking = torch.zeros_like(kernel)
        blanking[:, :, -1, 1] = UNSEEN
        self.first_kernel = nn.Buffer(torch.cat([kernel, blanking], dim=1))

    def forward(self, mel: Tensor, is_fresh: Tensor, past: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(rows, mel frames, mels) → (rows, chunk, d_model), and what to remember of the input of each stage."""
        heard = torch.cat([past[0], mel[:, None]], dim=2)
        states = self._mixed(1, self._entered(heard, is_fresh))
        new, num_virtual = [heard[:, :, -MEL_FRAMES_KEPT:]], self.inner.num_virtual // 4
        is_old = (~is_fresh).to(mel.dtype)[:, None, None, None]
        for stage, row in enumerate(past[1:], start=2):
            begin, rest = states[:, :, :num_virtual] * is_old, states[:, :, num_virtual:]
            seen = torch.cat([row, begin, rest], dim=2)
            new.append(seen[:, :, -1:])
            states = self._mixed(stage, seen)
            num_virtual //= 2
        return self.inner.out(states.permute(0, 2, 3, 1).flatten(2)), new

    def _entered(self, heard: Tensor, is_fresh: Tensor) -> Tensor:
        """The first stage, of the last frame of the chunk before and of the chunk."""
        seen = functional.pad(heard, BAND_PADDING)
        num_blank = 1 + self.inner.num_virtual // 2
        is_blank = torch.arange(seen.shape[2], device=seen.device) <= 2 * num_blank
        blank = (is_fresh[:, None] & is_blank).to(seen.dtype)[:, None, :, None] * seen.new_ones(seen.shape[3])
        states = functional.conv2d(torch.cat([seen, blank], dim=1), self.first_kernel, self.inner.biases[0], stride=2)
        return functional.relu(states)

    def _mixed(self, stage: int, seen: Tensor) -> Tensor:
        """A later stage."""
        inner, padded = self.inner, functional.pad(seen, BAND_PADDING)
        states = functional.conv2d(padded, inner.kernels[stage], inner.biases[stage], stride=2, groups=seen.shape[1])
        mixed: Tensor = functional.relu(inner.mixers[stage - 1](states.permute(0, 2, 3, 1)))
        return mixed.permute(0, 3, 1, 2)


class DepthwiseConvolution(nn.Module):
    """`Convolution` with the library's own convolution over frames."""

    def __init__(self, convolution: Convolution) -> None:
        super().__init__()
        self.inner = convolution
        self.kernel = nn.Buffer(convolution.taps.T[:, None].contiguous())

    def forward(self, states: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        """What the convolution adds to the states (rows, chunk, d_model), and the gates to remember."""
        inner, chunk = self.inner, states.shape[1]
        gated = functional.glu(inner.enter(inner.norm(states)), dim=-1)
        seen = torch.cat([gates, gated], dim=1)
        mixed = functional.conv1d(seen.transpose(1, 2), self.kernel, inner.bias, groups=len(self.kernel)).transpose(1, 2)
        return inner.leave(functional.silu(inner.inner_norm(mixed))), seen[:, chunk:]


class GraphLayer(nn.Module):
    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.inner = layer
        self.attention = RingAttention(layer.attention)
        self.convolution = DepthwiseConvolution(layer.convolution)

    def forward(
        self, states: Tensor, sources: Tensor, unseen: Tensor, past: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """past: keys, values and gates; what is new of them is returned beside the states."""
        keys, values, gates = past
        states = states + self.inner.feed_forward1(states)
        attended, key, value = self.attention(states, sources, unseen, keys, values)
        states = states + attended
        convolved, new_gates = self.convolution(states, gates)
        states = states + convolved
        states = states + self.inner.feed_forward2(states)
        return self.inner.norm(states), (key, value, new_gates)


class GraphStep(nn.Module):
    """Encoder and head; all sizes but the number of rows are fixed."""

    def __init__(self, encoder: StreamingEncoder, head: nn.Module) -> None:
        super().__init__()
        geometry = encoder.geometry
        self.rows = Rows.of(geometry)
        self.num_heads = geometry.config.num_heads
        self.num_distances = geometry.left_frames + 2 * geometry.chunk_frames - 1
        self.subsampling = ChannelsFirst(encoder.subsampling)
        self.layers = nn.ModuleList(GraphLayer(layer) for layer in encoder.layers if isinstance(layer, Layer))
        self.head = head

    def forward(
        self, mel: Tensor, is_fresh: Tensor, distances: Tensor, unseen: Tensor, *past: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, *tuple[Tensor, ...]]:
        """Args:
            mel: (rows, chunk mel frames, mels). is_fresh: bool (rows,). distances: int64 (rows, chunk, ring + chunk), which
                column of the table of positions each place is. unseen: (rows, ring + chunk), what is added to scores. past: as
                `Rows` tells.

        Returns:
            The head's output; of all layers, the chunk's keys (layers, rows, heads, head size, chunk), its values (layers, rows,
            heads, chunk, head size) and the gates to remember (layers, rows, kernel - 1, d_model); the row to remember of each
            stage.
        """
        num_layers, num_stages = self.rows.num_layers, len(self.rows.stages)
        by_layer = zip(*(past[num_stages + kind * num_layers :][:num_layers] for kind in range(3)), strict=True)
        sources = score_sources(distances, self.num_heads, self.num_distances)
        states, stages = self.subsampling(mel, is_fresh, past[:num_stages])
        new = []
        for layer, of_layer in zip(self.layers, by_layer, strict=True):
            states, fresh = layer(states, sources, unseen[:, None, None], of_layer)
            new.append(fresh)
        keys, values, gates = (torch.stack(kind) for kind in zip(*new, strict=True))
        return self.head(states), keys, values, gates, *stages


NUM_FIRST = 4
"""Inputs before the past."""


def exported(step: GraphStep, geometry: Geometry) -> ExportedProgram:
    """The step as a graph over any number of rows; takes seconds."""
    rows = Dim("rows", min=1, max=MAX_ROWS)
    example = example_inputs(geometry, num_rows=3)
    by_row = [{0: rows} for _ in example]
    shapes = (*by_row[:NUM_FIRST], tuple(by_row[NUM_FIRST:]))
    with torch.no_grad():
        return torch.export.export(step.eval(), example, dynamic_shapes=shapes)


def example_inputs(geometry: Geometry, num_rows: int) -> tuple[Tensor, ...]:
    """Zeros of the right shapes and types."""
    kinds = {1: torch.bool, 2: torch.long}
    shapes = enumerate(input_shapes(geometry))
    return tuple(torch.zeros(num_rows, *shape, dtype=kinds.get(place, torch.float32)) for place, shape in shapes)


def input_shapes(geometry: Geometry) -> list[tuple[int, ...]]:
    """Of all inputs, without the rows of the batch."""
    chunk, places = geometry.chunk_frames, ring_frames(geometry) + geometry.chunk_frames
    first = [(geometry.chunk_mel_frames, geometry.config.num_mels), (), (chunk, places), (places,)]
    return [*first, *Rows.of(geometry).shapes()]


def input_names(geometry: Geometry) -> list[str]:
    return ["mel", "is_fresh", "distances", "unseen", *Rows.of(geometry).names()]
