"""The decoder of a segment: what an engine pushes log probabilities into, and reads text from."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from inference.decoding.beam import BeamDecoder
from inference.decoding.decoded import Decoded
from inference.decoding.greedy import GreedyDecoder
from inference.decoding.language_model import LanguageModel
from inference.decoding.prefix import PrefixDecoder
from inference.decoding.rescoring import Rescorer
from inference.decoding.spelling import Speller
from inference.decoding.token_scores import TokenScores
from inference.decoding.tokens import Tokens
from inference.decoding.word_search import WordSearch

MAX_SEARCHES = 128
"""Sets of hotwords and language models whose trees are kept: a few MB each for a lexicon of ten thousand words."""


class LiveDecoder(Protocol):
    """One segment: push and partial as it is spoken, finish once at its end. Belongs to one thread."""

    def push(self, log_probs: np.ndarray) -> None:
        """log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last. No frames: nothing happens."""

    def partial(self) -> Decoded:
        """What was heard so far, without confidence and words."""

    def finish(self, num_frames: int | None = None) -> Decoded:
        """The segment is over. num_frames: only so many of the frames that were pushed belong to it; None: all."""


def open_decoder(tokens: Tokens, frame_ms: int, lm: LanguageModel | None = None, hotwords: Sequence[str] = ()) -> LiveDecoder:
    """A decoder for a segment that begins: as simple as it can be for what is asked."""
    if lm is not None and lm.settings.is_closed:
        return BeamDecoder(_word_search(lm, tokens, tuple(hotwords)), frame_ms, _rescorer(lm, tokens))
    if lm is not None or hotwords:
        return PrefixDecoder(_token_scores(lm, tokens, tuple(hotwords)), frame_ms, _rescorer(lm, tokens))
    return GreedyDecoder(tokens, frame_ms)


@lru_cache(16)
def _speller(tokens: Tokens) -> Speller:
    return Speller(tokens)


@lru_cache(MAX_SEARCHES)
def _word_search(lm: LanguageModel, tokens: Tokens, hotwords: tuple[str, ...]) -> WordSearch:
    return WordSearch(lm, _speller(tokens), hotwords)


@lru_cache(16)
def _rescorer(lm: LanguageModel | None, tokens: Tokens) -> Rescorer | None:
    return Rescorer(lm, _speller(tokens)) if lm is not None and lm.settings.num_rescored else None


@lru_cache(MAX_SEARCHES)
def _token_scores(lm: LanguageModel | None, tokens: Tokens, hotwords: tuple[str, ...]) -> TokenScores:
    return TokenScores(_speller(tokens), lm, hotwords)
