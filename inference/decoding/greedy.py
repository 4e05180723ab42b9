"""The likeliest token of each frame. No later frame changes what an earlier one said."""

from dataclasses import replace

import numpy as np

from inference.decoding.decoded import Decoded
from inference.decoding.spans import Span, confidence, words_of
from inference.decoding.tokens import Tokens


class GreedyDecoder:
    """A segment, heard frame by frame. One thread."""

    def __init__(self, tokens: Tokens, frame_ms: int) -> None:
        self._tokens = tokens
        self._frame_ms = frame_ms
        self._spans: list[Span] = []
        self._num_frames = 0
        self._last = tokens.blank

    def push(self, log_probs: np.ndarray) -> None:
        """log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last."""
        best = log_probs.argmax(axis=1)
        for token, log_prob in zip(best.tolist(), log_probs.max(axis=1, initial=-np.inf).tolist(), strict=True):
            self._take(token, log_prob)

    def partial(self) -> Decoded:
        """What was heard so far; its last word may go on."""
        ids = [span.token for span in self._spans]
        groups = self._tokens.groups(ids)
        num_stable = self._tokens.num_complete(ids)
        stable = self._tokens.text(ids[: groups[num_stable - 1].stop]) if num_stable else ""
        return Decoded(self._tokens.text(ids), stable, confidence(self._spans))

    def finish(self, num_frames: int | None = None) -> Decoded:
        """The segment is over, and only its first `num_frames` count."""
        end = self._num_frames if num_frames is None else num_frames
        spans = [replace(span, end_frame=min(span.end_frame, end)) for span in self._spans if span.first_frame < end]
        words = words_of(spans, self._tokens, self._frame_ms)
        text = self._tokens.text(span.token for span in spans)
        return Decoded(text, text, confidence(spans), words)

    def _take(self, token: int, log_prob: float) -> None:
        if token != self._tokens.blank:
            if token != self._last:
                self._spans.append(Span(token, self._num_frames, self._num_frames + 1, log_prob))
            span = self._spans[-1]
            span.end_frame = self._num_frames + 1
            span.log_prob = max(span.log_prob, log_prob)
        self._last = token
        self._num_frames += 1
