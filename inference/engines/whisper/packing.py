"""How windows of different length go through the encoder together: packed one behind the other, with what looks beyond one
frame (convolutions, attention) told where each window ends. One window at a time on a processor; all in one call on a GPU,
which the many small calls would leave idle. The result is the same.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ROWS_ROUNDED_TO = 64

Heads = Callable[[Tensor], Tensor]
"""(batch, length, states) → (batch, heads, length, head size)."""


class Packing(Protocol):
    """Of one batch of windows."""

    def triples(self, mels: Sequence[Tensor]) -> Tensor:
        """(mel frames, mels) each → (all mel frames, 3 x mels): each frame with its neighbours, zeros beyond a window's ends."""

    def every_second(self, states: Tensor) -> Tensor:
        """(mel frames or more, states) packed → (frames, 3 x states): the same for every second frame."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: Heads) -> Tensor:
        """(frames or more, states) packed → the same shape; frames of one window see each other only."""


def packing(mel_lengths: Sequence[int], device: torch.device) -> Packing:
    """The one place that chooses."""
    return OneByOne(mel_lengths) if device.type == "cpu" else AllAtOnce(mel_lengths, device)


def rounded_up(frames: Tensor) -> Tensor:
    """With rows of zeros behind: products of few different sizes, since a kernel is built and kept for each size."""
    return functional.pad(frames, (0, 0, 0, -len(frames) % ROWS_ROUNDED_TO))


class OneByOne:
    """A loop over windows; no window is padded to another's length."""

    def __init__(self, mel_lengths: Sequence[int]) -> None:
        self.mel_lengths = mel_lengths
        self.lengths = [length // 2 for length in mel_lengths]

    def triples(self, mels: Sequence[Tensor]) -> Tensor:
        return torch.cat([_triples(mel, 1) for mel in mels])

    def every_second(self, states: Tensor) -> Tensor:
        rows = torch.split(states, [*self.mel_lengths, len(states) - sum(self.mel_lengths)])[:-1]
        return torch.cat([_triples(row, 2) for row in rows])

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: Heads) -> Tensor:
        attended = torch.zeros_like(query)
        first = 0
        for length in self.lengths:
            rows = slice(first, first + length)
            own = [heads(part[None, rows]) for part in (query, key, value)]
            attended[rows] = functional.scaled_dot_product_attention(own[0], own[1], own[2])[0].transpose(0, 1).flatten(1)
            first += length
        return attended


def _triples(frames: Tensor, stride: int) -> Tensor:
    """(frames, inputs) → (frames / stride, 3 x inputs): each with the frame before and behind it, zeros beyond the ends."""
    return functional.pad(frames, (0, 0, 1, 1)).unfold(0, 3, stride).flatten(1)


class AllAtOnce:
    """Tables of indices, made once for a batch: where each frame's neighbours lie, and where it lies in a padded batch."""

    def __init__(self, mel_lengths: Sequence[int], device: torch.device) -> None:
        lengths = [length // 2 for length in mel_lengths]
        self.num_mel_frames = sum(mel_lengths)
        within = np.arange(max(lengths)) < np.array(lengths)[:, None]
        padded = np.where(within, np.cumsum(within).reshape(within.shape) - 1, 0)
        self.neighbours = _moved(_neighbours(mel_lengths, 1), device)
        self.neighbours_of_second = _moved(_neighbours(mel_lengths, 2), device)
        self.padded = _moved(padded, device)
        self.packed = _moved(np.flatnonzero(within), device)
        self.visible = _moved(within[:, None, None], device)

    def triples(self, mels: Sequence[Tensor]) -> Tensor:
        return _gathered(torch.cat(list(mels)), self.neighbours)

    def every_second(self, states: Tensor) -> Tensor:
        return _gathered(states[: self.num_mel_frames], self.neighbours_of_second)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: Heads) -> Tensor:
        """In a padded batch, with the padding out of sight."""
        own = [heads(part[self.padded]) for part in (query, key, value)]
        attended = functional.scaled_dot_product_attention(own[0], own[1], own[2], attn_mask=self.visible)
        packed = attended.transpose(1, 2).flatten(2).flatten(0, 1)[self.packed]
        return functional.pad(packed, (0, 0, 0, len(query) - len(packed)))


def _moved(table: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(table).to(device)


def _neighbours(lengths: Sequence[int], stride: int) -> np.ndarray:
    """int64 (all lengths / stride, 3): packed rows of each frame's neighbours and itself; the sum of lengths: beyond an end."""
    ends = np.cumsum(lengths)
    tables = []
    for length, end in zip(lengths, ends, strict=True):
        table = np.arange(end - length, end, stride)[:, None] + np.array([-1, 0, 1])
        table[(table < end - length) | (table >= end)] = ends[-1]
        tables.append(table)
    return np.concatenate(tables)


def _gathered(frames: Tensor, neighbours: Tensor) -> Tensor:
    """With a row of zeros behind, which indices beyond a window's ends point to; in the order of a Conv1d's weight."""
    return functional.pad(frames, (0, 0, 0, 1))[neighbours].transpose(1, 2).flatten(1)
