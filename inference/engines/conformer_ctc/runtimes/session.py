"""A runtime over a graph: what its streams remember is here, what computes the graph is a `Session` of some library."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.history import Array, Fresh, Histories


class Session(Protocol):
    """A graph of `GraphStep`, ready to run."""

    def size_for(self, num_rows: int) -> int:
        """With how many rows it wants to run, some of them for nothing."""

    def prepare(self, num_rows: int) -> None:
        """Do now for so many rows what is done for numbers that come often."""

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Inputs and outputs in the order of `GraphStep.forward`; outputs hold until the next call."""


class GraphRuntime:
    """A `Runtime`."""

    def __init__(self, geometry: Geometry, session: Session) -> None:
        self.geometry = geometry
        self.session = session
        self.histories = Histories(geometry)

    def take(self) -> int:
        return self.histories.take()

    def give(self, slot: int) -> None:
        self.histories.give(slot)

    def prepare(self, num_streams: int) -> None:
        """Take steps of so many streams as fast from the first one on as they will be when they come often."""
        self.session.prepare(num_streams)

    def step(self, mel: Tensor, slots: Sequence[int]) -> np.ndarray:
        histories = self.histories
        batch = histories.batch(slots, self.session.size_for(len(slots)))
        spread = np.zeros((len(batch.slots), *mel.shape[1:]), dtype=np.float32)
        spread[batch.rows] = mel.numpy()
        distances, unseen = histories.places(batch)
        is_fresh = histories.ages[batch.slots] == 0
        found = self.session.run([spread, is_fresh, distances, unseen, *histories.past(batch)])
        output, keys, values, gates, *stages = found
        histories.keep(batch, Fresh(keys, values, gates, stages))
        kept: np.ndarray = output[batch.rows]
        return kept

    def close(self) -> None:
        for name in ("session", "histories"):
            vars(self).pop(name, None)
