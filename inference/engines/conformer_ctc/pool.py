"""What the streams of one runtime remember, in slots of memory that stays where it is: rings of a few more frames than are seen.

A step writes the chunk's frames over the oldest ones and moves nothing. If it breaks off, the slots are as they were: what is
remembered is not written over before `advance`, and the same step again writes the same places.
"""

import heapq
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from inference.engines.arithmetic import CPU
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.step import UNSEEN

FIRST_SLOTS: Final = 16
"""When there are too few there will be twice as many."""


class Places:
    """Where frames lie in the table of a ring of `length` in a step: those of the chunk are `new`, with those before it they are
    `seen`, oldest first; int64 (frames,) row by row."""

    def __init__(self, length: int, num_new: int, slots: Tensor, ages: Tensor, device: torch.device) -> None:
        seen = slots[:, None] * length + (ages[:, None] + num_new + torch.arange(length, device=slots.device)) % length
        self.num_rows = len(slots)
        self.seen = seen.flatten().to(device)
        self.new = seen[:, -num_new:].flatten().to(device)


class Ring:
    """`length` frames of `width` numbers a slot, as one table: the frame at place p of slot s is row s * length + p."""

    def __init__(self, length: int, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self.length = length
        self.table = torch.zeros((0, width), dtype=dtype, device=device)

    def resize(self, num_slots: int) -> None:
        grown = self.table.new_zeros((num_slots * self.length, self.table.shape[1]))
        grown[: len(self.table)] = self.table
        self.table = grown

    def clear(self, slot: int) -> None:
        self.table[slot * self.length : (slot + 1) * self.length] = 0.0

    def write(self, places: Places, frames: Tensor) -> None:
        """frames: those of the chunk, (rows, chunk, …), `width` numbers each."""
        self.table.index_copy_(0, places.new, frames.reshape(len(places.new), -1))

    def read(self, places: Places) -> Tensor:
        """(rows, length, width); a copy."""
        return self.table.index_select(0, places.seen).view(places.num_rows, self.length, -1)


class SlotPool:
    """keys, gates: of each layer, rings of keys and values, and of what enters the depthwise convolution. stages: (slots, 1,
    bands, channels) of each stage of the subsampling. ages: int64 (slots,), how many frames of the stream were encoded.
    """

    def __init__(self, geometry: Geometry, *, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> None:
        config, chunk = geometry.config, geometry.chunk_frames
        layers = range(config.num_layers)
        self.geometry = geometry
        self.device = device
        self.keys = [Ring(geometry.left_frames + chunk, 2 * config.d_model, dtype, device) for _ in layers]
        self.gates = [Ring(geometry.conv_frames + chunk, config.d_model, dtype, device) for _ in layers]
        self.stages = [
            torch.zeros((0, 1, bands, channels), dtype=dtype, device=device) for channels, bands in geometry.stage_rows()
        ]
        self.ages = torch.zeros(0, dtype=torch.long)
        self._free: list[int] = []

    @property
    def num_slots(self) -> int:
        return len(self.ages)

    @property
    def num_taken(self) -> int:
        return self.num_slots - len(self._free)

    @property
    def slot_bytes(self) -> int:
        """What one stream remembers."""
        in_rings = sum(ring.length * ring.table.shape[1] for ring in (*self.keys, *self.gates))
        in_stages = sum(rows.shape[1:].numel() for rows in self.stages)
        return (in_rings + in_stages) * self.stages[0].element_size()

    def take(self) -> int:
        """A slot that remembers nothing. The lowest that is free, so that few streams lie close together."""
        if not self._free:
            self.resize(max(FIRST_SLOTS, 2 * self.num_slots))
        slot = heapq.heappop(self._free)
        self.clear(slot)
        return slot

    def give(self, slot: int) -> None:
        heapq.heappush(self._free, slot)

    def resize(self, num_slots: int) -> None:
        """More slots; those there are keep what they remember."""
        for ring in (*self.keys, *self.gates):
            ring.resize(num_slots)
        self.stages = [torch.cat([rows, rows.new_zeros((num_slots - len(rows), *rows.shape[1:]))]) for rows in self.stages]
        for slot in range(self.num_slots, num_slots):
            heapq.heappush(self._free, slot)
        self.ages = torch.cat([self.ages, self.ages.new_zeros(num_slots - self.num_slots)])

    def clear(self, slot: int) -> None:
        """Keys and values stay where they are: nobody sees further back than a stream's age."""
        for ring in self.gates:
            ring.clear(slot)
        for rows in self.stages:
            rows[slot] = 0.0
        self.ages[slot] = 0


class Batch:
    """The rows of one step in the pool. is_fresh, unseen: as `StreamingEncoder` wants them; None where no row needs them."""

    def __init__(self, pool: SlotPool, slots: Sequence[int]) -> None:
        geometry = pool.geometry
        self.pool = pool
        self.slots = torch.tensor(slots)
        ages = pool.ages[self.slots]
        self.keys = Places(pool.keys[0].length, geometry.chunk_frames, self.slots, ages, pool.device)
        self.gates = Places(pool.gates[0].length, geometry.chunk_frames, self.slots, ages, pool.device)
        self.ages = ages.to(pool.device)
        youngest = int(ages.min())
        self.is_fresh = None if youngest else self.fresh_rows()
        self.unseen = None if youngest >= geometry.left_frames else self.unseen_scores()

    def fresh_rows(self) -> Tensor:
        """bool (rows,), where the chunk is a stream's first."""
        return self.ages == 0

    def unseen_scores(self) -> Tensor:
        """(rows, 1, 1, left + chunk), UNSEEN at places before the stream's first frame, else 0."""
        geometry = self.pool.geometry
        behind = torch.arange(geometry.left_frames, -geometry.chunk_frames, -1, device=self.pool.device)
        scores = torch.zeros((len(self.ages), 1, 1, len(behind)), dtype=self.pool.stages[0].dtype, device=self.pool.device)
        return scores.masked_fill_((behind > self.ages[:, None])[:, None, None], UNSEEN)

    def advance(self, stages: Sequence[Tensor]) -> None:
        """The step is done: the chunk belongs to the past. stages: the last row before each."""
        for rows, new in zip(self.pool.stages, stages, strict=True):
            rows[self.slots] = new
        self.pool.ages[self.slots] += self.pool.geometry.chunk_frames


class PoolMemory:
    """A `Memory` over a pool. `commit` after the step keeps what is new."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.pool = batch.pool
        self.new_stages: list[Tensor] = []

    def keys_and_values(self, layer: int, new: Tensor) -> Tensor:
        return _remembered(self.pool.keys[layer], self.batch.keys, new)

    def gated(self, layer: int, new: Tensor) -> Tensor:
        return _remembered(self.pool.gates[layer], self.batch.gates, new)

    def stage_input(self, stage: int, new: Tensor) -> Tensor:
        self.new_stages.append(new[:, -1:])
        return torch.cat([self.pool.stages[stage][self.batch.slots], new], dim=1)

    def commit(self) -> None:
        self.batch.advance(self.new_stages)


def _remembered(ring: Ring, places: Places, new: Tensor) -> Tensor:
    ring.write(places, new)
    return ring.read(places)
