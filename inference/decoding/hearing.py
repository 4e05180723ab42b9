"""What was heard of a segment: its frames, and those of them that a search need not look at."""

import math
from typing import Final

import numpy as np

from inference.decoding.tokens import Tokens

QUIET: Final = math.log(0.98)
"""Where the blank is so likely, in one frame after another, a single one of them says it all: a third of speech."""


class Heard:
    """The frames of a segment, in the order in which they came."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens: Final = tokens
        self._parts: list[np.ndarray] = []
        self._worth_hearing: list[np.ndarray] = []
        self._was_quiet = False
        self.num_frames = 0

    def take(self, log_probs: np.ndarray) -> np.ndarray:
        """Keep frames, and say which of them are worth a look; float32 (frames, len(tokens) + 1), both a copy."""
        self._parts.append(np.array(log_probs, dtype=np.float32, order="C"))
        self.num_frames += len(log_probs)
        is_quiet = self._parts[-1][:, self._tokens.blank] > QUIET
        was_quiet = np.concatenate(([self._was_quiet], is_quiet[:-1]))[: len(is_quiet)]
        self._was_quiet = bool(is_quiet[-1]) if len(is_quiet) else self._was_quiet
        self._worth_hearing.append(np.ascontiguousarray(self._parts[-1][~(is_quiet & was_quiet)]))
        return self._worth_hearing[-1]

    def log_probs(self) -> np.ndarray:
        """float32 (num_frames, len(tokens) + 1)."""
        return self._joined(self._parts)

    def worth_hearing(self) -> np.ndarray:
        """All frames that are worth a look, as `take` said them."""
        return self._joined(self._worth_hearing)

    def _joined(self, parts: list[np.ndarray]) -> np.ndarray:
        """In one piece, which takes the place of the parts."""
        if len(parts) != 1:
            parts[:] = [np.concatenate(parts) if parts else np.zeros((0, len(self._tokens) + 1), dtype=np.float32)]
        return parts[0]

    def is_longer_than(self, num_frames: int | None) -> bool:
        return num_frames is not None and self.num_frames > num_frames

    def up_to(self, num_frames: int | None) -> "Heard":
        """Only its first frames."""
        shorter = Heard(self._tokens)
        shorter.take(self.log_probs()[:num_frames])
        return shorter

    def likeliest_text(self) -> str:
        """What the likeliest token of each frame says."""
        best = self.log_probs().argmax(axis=1)
        return self._tokens.text(best[np.flatnonzero(np.diff(best, prepend=-1))].tolist())
