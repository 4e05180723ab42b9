"""What makes text of the numbers that a runtime says: a writer for each kind of head. The one for CTC is here."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from inference.decoding.decoded import Decoded
from inference.decoding.decoder import LiveDecoder, open_decoder
from inference.decoding.language_model import LanguageModel
from inference.decoding.lms import LanguageModels
from inference.decoding.tokens import Tokens
from inference.engines.base import Window

LineT = TypeVar("LineT")


class Writer(Protocol[LineT]):
    """A line is what was written of one segment. Belongs to one thread.

    writes_together: whether `write` goes on with all lines or with none, and is quicker with many; else each is given alone.
    """

    writes_together: bool

    def open(self, window: Window[Any]) -> LineT:
        """A segment begins: the line for it, with what its listener wants."""

    def write(self, lines: Sequence[LineT], outputs: Sequence[np.ndarray]) -> None:
        """Go on with each line by its new frames. outputs: float32 (frames, …) of each, as `Runtime.step` says them."""

    def partial(self, line: LineT) -> Decoded:
        """What was heard so far, without words."""

    def finish(self, line: LineT, num_frames: int) -> Decoded:
        """The segment is over, and only its first `num_frames` count."""


class CtcWriter:
    """Each stream has a decoder of its own; what they need of a language model is made when that is read. own: the language model
    that came with the model."""

    writes_together = False

    def __init__(self, tokens: Tokens, frame_ms: int, language_models: LanguageModels, own: LanguageModel | None = None) -> None:
        self.tokens = tokens
        self.frame_ms = frame_ms
        self.language_models = language_models
        self.own = own
        language_models.add_user(self)

    def get_ready(self, model: LanguageModel) -> None:
        open_decoder(self.tokens, self.frame_ms, model)

    def open(self, window: Window[Any]) -> LiveDecoder:
        language_model = self.language_models.chosen(window.language_model, self.own)
        return open_decoder(self.tokens, self.frame_ms, language_model, window.hotwords)

    def write(self, lines: Sequence[LiveDecoder], outputs: Sequence[np.ndarray]) -> None:
        for line, log_probs in zip(lines, outputs, strict=True):
            line.push(log_probs)

    def partial(self, line: LiveDecoder) -> Decoded:
        return line.partial()

    def finish(self, line: LiveDecoder, num_frames: int) -> Decoded:
        return line.finish(num_frames)
