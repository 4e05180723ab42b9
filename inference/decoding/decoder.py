"""The decoder of a segment: what an engine pushes log probabilities into, and reads text from."""

from typing import Protocol

import numpy as np

from inference.decoding.decoded import Decoded
from inference.decoding.greedy import GreedyDecoder
from inference.decoding.tokens import Tokens


class LiveDecoder(Protocol):
    """One segment: push and partial as it is spoken, finish once at its end. Belongs to one thread."""

    def push(self, log_probs: np.ndarray) -> None:
        """log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last. No frames: nothing happens."""

    def partial(self) -> Decoded:
        """What was heard so far, without words."""

    def finish(self, num_frames: int | None = None) -> Decoded:
        """The segment is over. num_frames: only so many of the frames that were pushed belong to it; None: all."""


def open_decoder(tokens: Tokens, frame_ms: int) -> LiveDecoder:
    """A decoder for a segment that begins."""
    return GreedyDecoder(tokens, frame_ms)
