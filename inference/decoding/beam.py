"""Search through the words of a language model while they are spoken: flashlight's, a few frames at a time.

What it finds is the same whether the frames come one by one or all at once. What all texts of the beam have in common is
stable: every later text goes on from one of them.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from inference.decoding.alignment import align
from inference.decoding.decoded import NOTHING, Decoded
from inference.decoding.spans import confidence, words_of
from inference.decoding.word_search import WordSearch

UNLIKELY: Final = -50.0


class BeamDecoder:
    """A segment, heard frame by frame. One thread."""

    def __init__(self, search: WordSearch, frame_ms: int) -> None:
        self._search = search
        self._frame_ms = frame_ms
        self._heard: list[np.ndarray] = []
        self._decoder, self._ngrams = search.open()

    def push(self, log_probs: np.ndarray) -> None:
        """log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last."""
        if len(log_probs):
            self._heard.append(np.array(log_probs, dtype=np.float32, order="C"))
            self._step(self._heard[-1])

    def partial(self) -> Decoded:
        """What was heard so far; its last word may go on."""
        if not self._heard:
            return NOTHING
        beam = self._decoder.get_all_final_hypothesis()
        numbers = [_words(hypothesis.words) for hypothesis in beam]
        best = max(range(len(beam)), key=lambda place: beam[place].score)
        words = self._search.texts(numbers[best])
        begun = self._begun(beam[best])
        return Decoded(" ".join([*words, begun] if begun else words), " ".join(words[: _num_common(numbers)]), 0.0)

    def finish(self, num_frames: int | None = None) -> Decoded:
        """The segment is over, and only its first `num_frames` count."""
        if not self._heard or num_frames == 0:
            return NOTHING
        heard = np.concatenate(self._heard)[:num_frames]
        if sum(map(len, self._heard)) > len(heard):
            self._decoder, self._ngrams = self._search.open()
            self._step(heard)
        return self._decoded(heard, self._best())

    def _step(self, log_probs: np.ndarray) -> None:
        self._decoder.decode_step(log_probs.ctypes.data, *log_probs.shape)

    def _best(self) -> list[int]:
        """The words of the likeliest text that is whole."""
        end = np.full((1, len(self._search.tokens) + 1), UNLIKELY, dtype=np.float32)
        end[0, self._search.separator] = 0.0
        self._step(end)
        self._decoder.decode_end()
        best = max(self._decoder.get_all_final_hypothesis(), key=lambda hypothesis: hypothesis.score)
        return _words(best.words)

    def _decoded(self, heard: np.ndarray, numbers: Sequence[int]) -> Decoded:
        texts = self._search.texts(numbers)
        spans = align(heard, self._search.speller.phrase(texts) or (), self._search.tokens)
        text = " ".join(texts)
        return Decoded(text, text, confidence(spans), words_of(spans, self._search.tokens, self._frame_ms))

    def _begun(self, hypothesis: Any) -> str:
        """What is there of the word that is being spoken."""
        first = max((place + 1 for place, number in enumerate(hypothesis.words) if number >= 0), default=0)
        tokens = np.array(hypothesis.tokens[first:])
        new = tokens[np.flatnonzero(np.diff(tokens, prepend=-1))]
        return self._search.tokens.text(new[(new >= 0) & (new != self._search.separator)].tolist())


def _words(numbers: Sequence[int]) -> list[int]:
    """flashlight has a place for each frame, and the word where it is whole."""
    return [number for number in numbers if number >= 0]


def _num_common(texts: Sequence[list[int]]) -> int:
    """How many words all of them begin with."""
    first, last = min(texts), max(texts)
    differing = (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(first), len(last)))
