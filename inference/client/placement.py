"""Which inference process takes the next stream: pure policy, no socket and no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from inference.messages import ModelInfo, StreamOptions, WorkerLoad

STREAM_SHARE: Final = 1 / 16
"""What a stream that was given away since the last report adds to `busy`: sixteen speakers keep one core busy."""
STEPS: Final = 4
"""Pressures in the same quarter count as equal, and the number of streams decides: speakers pause, so `busy` is noisy."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An inference process that is ready.

    num_placed, num_ended: streams given to it, and streams of ours that are over, which `load` does not show yet.
    """

    models: tuple[ModelInfo, ...]
    load: WorkerLoad
    num_placed: int = 0
    num_ended: int = 0

    @property
    def num_streams(self) -> int:
        return max(0, self.load.num_streams - self.num_ended) + self.num_placed

    @property
    def pressure(self) -> float:
        """How much it has to do: up to 1 it keeps up; from there on each second that results wait adds one.

        Streams alone would mislead: a thousand muted microphones cost less than one speaker.
        """
        return self.load.busy + self.load.queue_ms / 1000 + self.num_placed * STREAM_SHARE

    def can_serve(self, options: StreamOptions) -> bool:
        return any(model.takes(options) for model in self.models)

    @property
    def has_room(self) -> bool:
        """Whether it takes new streams, as far as is known."""
        return not (self.load.is_full or self.load.is_overloaded)

    def has_all_of(self, options: StreamOptions) -> bool:
        """Whether it has, besides, the model that shall write partial texts."""
        if options.partial_model is None:
            return self.can_serve(options)
        return self.can_serve(options) and self.can_serve(structs.replace(options, model=options.partial_model))


def best_fitting(candidates: Sequence[Candidate], options: StreamOptions) -> list[int]:
    """Positions of those that can serve a stream; if any of them have room and all of its models, these alone."""
    able = [position for position, candidate in enumerate(candidates) if candidate.can_serve(options)]
    whole = [at for at in able if candidates[at].has_all_of(options) and candidates[at].has_room]
    return whole or able


def least_loaded(candidates: Sequence[Candidate]) -> int | None:
    """Position of the candidate to choose; one that takes no new streams only if none does, the first of equals; None of none."""
    return min(range(len(candidates)), key=lambda position: _rank(candidates[position]), default=None)


def _rank(candidate: Candidate) -> tuple[bool, int, int]:
    return not candidate.has_room, int(candidate.pressure * STEPS), candidate.num_streams
