"""Search through the words of a language model while they are spoken: flashlight's, a few frames at a time.

What it finds is the same whether the frames come one by one or all at once. What all texts of the beam have in common is stable:
every later text goes on from one of them, until the end, when the second pass may find a better one.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from inference.decoding.alignment import align
from inference.decoding.decoded import NOTHING, Decoded
from inference.decoding.hearing import Heard
from inference.decoding.rescoring import Rescorer, worth_weighing
from inference.decoding.spans import confidence, words_of
from inference.decoding.word_search import WordSearch

UNLIKELY: Final = -50.0


class BeamDecoder:
    """A segment, heard frame by frame. One thread. rescorer: None: there is no second pass."""

    def __init__(self, search: WordSearch, frame_ms: int, rescorer: Rescorer | None = None) -> None:
        self._search = search
        self._tokens = search.tokens
        self._frame_ms = frame_ms
        self._rescorer = rescorer
        self._heard = Heard(self._tokens)
        self._decoder, self._ngrams = search.open()
        self._partial: Decoded | None = NOTHING

    def push(self, log_probs: np.ndarray) -> None:
        """log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last."""
        self._step(self._heard.take(log_probs))

    def partial(self) -> Decoded:
        """What was heard so far; its last word may go on."""
        if self._partial is None:  # in a pause nothing new is looked at, chunk after chunk
            self._partial = self._read()
        return self._partial

    def finish(self, num_frames: int | None = None) -> Decoded:
        """The segment is over, and only its first `num_frames` count."""
        if self._heard.is_longer_than(num_frames):
            self._heard = self._heard.up_to(num_frames)
            self._decoder, self._ngrams = self._search.open()
            self._step(self._heard.worth_hearing())
        if not self._heard.num_frames:
            return NOTHING
        heard, text = self._heard.log_probs(), self._best()
        spans = align(heard, self._search.speller.phrase(text.split()) or (), self._tokens)
        return Decoded(text, text, confidence(spans), words_of(spans, self._tokens, self._frame_ms))

    def _read(self) -> Decoded:
        beam = self._decoder.get_all_final_hypothesis()
        numbers = [_words(hypothesis.words) for hypothesis in beam]
        best = max(range(len(beam)), key=lambda place: beam[place].score)
        words = self._search.texts(numbers[best])
        begun = self._begun(beam[best])
        return Decoded(" ".join([*words, begun] if begun else words), " ".join(words[: _num_common(numbers)]), 0.0)

    def _step(self, log_probs: np.ndarray) -> None:
        if len(log_probs):
            self._partial = None
            self._decoder.decode_step(log_probs.ctypes.data, *log_probs.shape)

    def _best(self) -> str:
        found = self._found()
        first, _score = found[0]
        if self._rescorer is None or self._heard.likeliest_text() == first:
            return first  # what the sounds alone say nobody will weigh otherwise
        texts = worth_weighing(found[: self._search.model.settings.num_rescored])
        return self._rescorer.best(self._heard.worth_hearing(), texts, self._search.phrases)

    def _found(self) -> list[tuple[str, float]]:
        """Whole texts and their scores, the likeliest first."""
        end = np.full((1, len(self._tokens) + 1), UNLIKELY, dtype=np.float32)
        end[0, self._search.separator] = 0.0
        self._step(end)
        self._decoder.decode_end()
        beam = sorted(self._decoder.get_all_final_hypothesis(), key=lambda hypothesis: hypothesis.score, reverse=True)
        found: dict[str, float] = {}
        for hypothesis in beam:
            found.setdefault(" ".join(self._search.texts(_words(hypothesis.words))), hypothesis.score)
        return list(found.items())

    def _begun(self, hypothesis: Any) -> str:
        """What is there of the word that is being spoken."""
        numbers = hypothesis.words
        first = next((place + 1 for place in range(len(numbers) - 1, -1, -1) if numbers[place] >= 0), 0)
        tokens = (token for token, _run in groupby(hypothesis.tokens[first:]))
        return self._tokens.text(token for token in tokens if token >= 0 and token != self._search.separator)


def _words(numbers: Sequence[int]) -> list[int]:
    """flashlight has a place for each frame, and the word where it is whole."""
    return [number for number in numbers if number >= 0]


def _num_common(texts: Sequence[list[int]]) -> int:
    """How many words all of them begin with."""
    first, last = min(texts), max(texts)
    differing = (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(first), len(last)))
