"""What a recognition engine is: batches of stream windows in, text out.

An engine belongs to one thread. It keeps what it must remember of a stream in the object that `open_stream` returns and
nowhere else, so that two streams can never see each other. The result of a batch equals the results of its rows alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from inference.decoding.decoded import Word as Word  # every engine says what it is through this module
from inference.messages import ModelInfo

StateT = TypeVar("StateT")


@dataclass(frozen=True, slots=True)
class Window(Generic[StateT]):
    """One row of a batch: the segment that a stream is in, from its first sample to now.

    audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1]. `start`: so many samples of the segment are left out before it, since
    the engine has heard them; 0 of an engine whose `info` names no `step_samples`. A final may hold less than was heard before.
    `is_final`: the segment is over; the engine forgets it after the step. `languages`: empty: any; one: fixed; several: one of
    them. `hotwords`: names and rare words that the listener expects. `language_model`: the name of one to decode with; empty: the
    model's own, if it has one. An engine that cannot use them ignores them.
    """

    state: StateT
    audio: np.ndarray
    languages: tuple[str, ...]
    is_final: bool
    hotwords: tuple[str, ...] = ()
    start: int = 0
    language_model: str = ""

    @property
    def num_samples(self) -> int:
        """Of the segment, from its first one."""
        return self.start + len(self.audio)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one window says. `stable` is the leading part of `text` that later partials of the segment will keep."""

    text: str
    stable: str
    language: str
    confidence: float
    words: tuple[Word, ...]


class Engine(Protocol[StateT]):
    """Called in this order: load, warm_up, then open_stream, step and finish as streams come and go, close at the end;
    num_parameters before load, where somebody asks. One whose `info` names `step_samples` remembers what it has heard of a
    segment: what it gives for a stream has a `num_heard`, in samples.
    """

    info: ModelInfo

    def num_parameters(self) -> int:
        """How many numbers the weights are, before they are loaded: from the heads of their files. Raises WeightsError."""

    def load(self) -> None:
        """Read the weights. Raises WeightsError with a sentence that says what to do."""

    def warm_up(self) -> None:
        """Run every path once, so that the first speaker does not wait for it."""

    def open_stream(self) -> StateT:
        """What the engine remembers of a new stream."""

    def step(self, batch: Sequence[Window[StateT]]) -> Sequence[Hypothesis | None]:
        """Recognise every window, in order. At most one window per stream in a batch.

        None, of a final: it takes another step. The same window is to be given again, with what was heard left out or not.
        """

    def finish(self, state: StateT) -> None:
        """The stream is over."""

    def close(self) -> None:
        """Give memory back."""


def recognise(engine: Engine[StateT], batch: Sequence[Window[StateT]]) -> list[Hypothesis]:
    """What `step` says of every window, after as many steps as that takes."""
    found = dict(enumerate(engine.step(batch)))
    while left := [place for place, hypothesis in found.items() if hypothesis is None]:
        found |= zip(left, engine.step([batch[place] for place in left]), strict=True)
    return [hypothesis for hypothesis in found.values() if hypothesis is not None]
