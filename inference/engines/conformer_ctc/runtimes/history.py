"""What the streams of a graph remember, in numpy: rings in slots of memory that stays where it is.

A batch whose slots lie together is read where they lie; of another one the rings are copied together. So the lowest free slots
are taken first, and rows for which there is room anyway may be those of slots that have no part in the step.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.graph import Rows, ring_frames
from inference.engines.conformer_ctc.step import UNSEEN

FIRST_SLOTS: Final = 16
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """slots: int64, of each row of a step. rows: where in them those are that have a part in it. is_in_place: the rows' slots
    follow each other."""

    slots: Array
    rows: Array
    is_in_place: bool


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a step has made, as `GraphStep` returns it behind the head's output."""

    keys: Array
    values: Array
    gates: Array
    stages: Sequence[Array]


class Histories:
    """Arrays are (layers, slots, …), so that the slots of one layer lie side by side; stages: (slots, …) each.

    ages: how many frames of the stream in a slot were encoded.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.rows = Rows.of(geometry)
        self.ring = ring_frames(geometry)
        self.ages = np.zeros(0, dtype=np.int64)
        self.stages = [np.zeros((0, *shape), dtype=np.float32) for shape in self.rows.stages]
        self.keys, self.values, self.gates = (self._layers(shape) for shape in self._shapes)
        self._free: list[int] = []
        self._rooms: dict[int, Array] = {}
        self._gathered: dict[tuple[int, int], Array] = {}

    @property
    def _shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.rows.keys, self.rows.values, self.rows.gates

    def _layers(self, shape: tuple[int, ...], num_slots: int = 0) -> Array:
        return np.zeros((self.rows.num_layers, num_slots, *shape), dtype=np.float32)

    def take(self) -> int:
        """A slot that remembers nothing, the lowest that is free."""
        if not self._free:
            self._grow(max(FIRST_SLOTS, 2 * len(self.ages)))
        slot = heapq.heappop(self._free)
        self.ages[slot] = 0
        self.gates[:, slot] = 0.0  # keys and values stay: nobody sees further back than a stream's age
        for stage in self.stages:
            stage[slot] = 0.0
        return slot

    def give(self, slot: int) -> None:
        heapq.heappush(self._free, slot)

    def _grow(self, num_slots: int) -> None:
        old = len(self.ages)
        for slot in range(old, num_slots):
            heapq.heappush(self._free, slot)
        self.ages = np.concatenate([self.ages, np.zeros(num_slots - old, dtype=np.int64)])
        self.stages = [np.concatenate([rows, np.zeros((num_slots - old, *rows.shape[1:]), rows.dtype)]) for rows in self.stages]
        kinds = zip((self.keys, self.values, self.gates), self._shapes, strict=True)
        self.keys, self.values, self.gates = (
            np.concatenate([rows, self._layers(shape, num_slots - old)], axis=1) for rows, shape in kinds
        )

    def batch(self, slots: Sequence[int], num_rows: int) -> Batch:
        """`num_rows`, at least as many as slots: those of the slots, in place where that is possible, and idle ones."""
        wanted = np.asarray(slots)
        first = min(int(wanted.min()), len(self.ages) - num_rows)
        if first >= 0 and int(wanted.max()) < first + num_rows:
            return Batch(np.arange(first, first + num_rows), wanted - first, is_in_place=True)
        idle = np.full(num_rows - len(wanted), wanted[0])
        return Batch(np.concatenate([wanted, idle]), np.arange(len(wanted)), is_in_place=False)

    def past(self, batch: Batch) -> list[Array]:
        """In the order of `Rows`: views where that is possible, else copies that hold until the next call, of as many
        rows always the same arrays."""
        tables = [*self.stages, *(layer for kind in (self.keys, self.values, self.gates) for layer in kind)]
        if batch.is_in_place:
            lying = slice(batch.slots[0], batch.slots[-1] + 1)
            return [table[lying] for table in tables]
        return [self._together(number, table, batch.slots) for number, table in enumerate(tables)]

    def _together(self, number: int, table: Array, slots: Array) -> Array:
        return np.take(table, slots, axis=0, out=self._gathered_rows(number, table, len(slots)), mode="clip")

    def _gathered_rows(self, number: int, table: Array, num_rows: int) -> Array:
        """Room for so many rows of a table: the same array each time, so that whoever reads it need not be told where it is."""
        found = self._gathered.get((number, num_rows))
        if found is None:
            room = self._rooms.get(number)
            if room is None or len(room) < num_rows:
                room = self._rooms[number] = np.empty((num_rows, *table.shape[1:]), table.dtype)
                self._gathered = {key: rows for key, rows in self._gathered.items() if key[0] != number}
            found = self._gathered[number, num_rows] = room[:num_rows]
        return found

    def places(self, batch: Batch) -> tuple[Array, Array]:
        """Where in time the places of the rings are, for each row: `distances` and `unseen` of `GraphStep`."""
        geometry, ages = self.geometry, self.ages[batch.slots, None]
        chunk, left = geometry.chunk_frames, geometry.left_frames
        behind = (ages - 1 - np.arange(self.ring)) % self.ring + 1  # from the chunk's first frame
        is_hidden = behind > np.minimum(ages, left)
        of_chunk = np.arange(0, -chunk, -1)
        from_first = np.concatenate([behind, np.broadcast_to(of_chunk, (len(ages), chunk))], axis=1)
        distance = from_first[:, None, :] + np.arange(chunk)[:, None]
        unseen = np.zeros(from_first.shape, dtype=np.float32)
        unseen[:, : self.ring][is_hidden] = UNSEEN
        return np.clip(left + chunk - 1 - distance, 0, None), unseen

    def keep(self, batch: Batch, fresh: Fresh) -> None:
        """Write what a step has made over the oldest frames."""
        chunk = self.geometry.chunk_frames
        for row, slot in zip(batch.rows, batch.slots[batch.rows], strict=True):
            place = int(self.ages[slot]) % self.ring
            self.keys[:, slot, :, :, place : place + chunk] = fresh.keys[:, row]
            self.values[:, slot, :, place : place + chunk] = fresh.values[:, row]
            self.gates[:, slot] = fresh.gates[:, row]
            for stage, new in zip(self.stages, fresh.stages, strict=True):
                stage[slot] = new[row]
            self.ages[slot] += chunk
