"""The second pass, at the end of a segment: the best texts of the search and of another one over the whole segment, weighed anew.

The search that ran while somebody spoke follows few texts, and may have dropped the right one early. ctc-beam-decoder goes over
all of it at once, with more. What counts in the end is the sum over all ways to say a text, with its words and its hotwords.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from ctc_beam_decoder import BeamSearchDecoder

from inference.decoding.hotwords import WORD_GAIN, Phrases, gain_of
from inference.decoding.language_model import LanguageModel
from inference.decoding.likelihood import log_likelihoods
from inference.decoding.spelling import Speller
from inference.decoding.tokens import WORD_START
from inference.errors import LanguageModelError

BEAM_SIZE: Final = 64
MARGIN: Final = 5.0
"""Texts that a search finds so much less likely than its best one, natural logarithm, are not weighed. The sum over all ways to
say a text costs more than all else here; half of the sums are saved, and of 161 segments one came out otherwise."""
NO_TEXT: Final = "<"
"""Tokens that stand for no text, or for bytes, begin with it."""


class Rescorer:
    """Never changes; all segments with the same language model and tokens share it, whatever their hotwords."""

    def __init__(self, model: LanguageModel, speller: Speller) -> None:
        """Blocks: it maps the n-grams once more, as its library wants.

        Raises:
            LanguageModelError: the library does not take them.
        """
        settings = model.settings
        try:
            self._decoder: Final = BeamSearchDecoder(
                _labels(speller),
                kenlm_model_path=str(model.compiled.path),
                unigrams=list(model.words),
                alpha=settings.lm_weight,
                beta=settings.word_score,
                unk_score_offset=settings.unknown_score,
            )
        except ValueError as err:
            raise LanguageModelError(f"{model.files.ngrams} cannot be used for rescoring: {err}. Build it again.") from err
        self._model: Final = model
        self._speller: Final = speller

    def best(
        self,
        heard: np.ndarray,
        texts: Iterable[str],
        phrases: Sequence[Sequence[str]] = (),
        written: Mapping[str, Sequence[int]] | None = None,
    ) -> str:
        """The likeliest text.

        heard: float32 (frames, tokens + 1), natural logarithms, the blank last. texts: what the first pass found, the best one
        first. phrases: words of each hotword. written: tokens of `texts`, for those that cannot be spelled, as what was written
        byte by byte.
        """
        candidates = list(dict.fromkeys([*texts, *self._found(heard, phrases)]))
        if len(candidates) == 1:
            return candidates[0]
        spelled = [self._spelled(text, written or {}) for text in candidates]
        writable = [(text, ids) for text, ids in zip(candidates, spelled, strict=True) if ids is not None]
        likelihoods = log_likelihoods(heard, [ids for _text, ids in writable], self._speller.tokens.blank)
        tree = Phrases(phrases, gain_of)
        scores = [found + self._worth(text.split(), tree) for found, (text, _ids) in zip(likelihoods, writable, strict=True)]
        return max(zip(scores, writable, strict=True), key=lambda pair: pair[0])[1][0]

    def _spelled(self, text: str, written: Mapping[str, Sequence[int]]) -> Sequence[int] | None:
        spelled = self._speller.phrase(text.split())
        return written.get(text) if spelled is None else spelled

    def _found(self, heard: np.ndarray, phrases: Sequence[Sequence[str]]) -> list[str]:
        """Of the second search, those that may be written."""
        hotwords = list(dict.fromkeys(word for phrase in phrases for word in phrase))
        allowed = {*self._model.numbers, *hotwords}
        beams = self._decoder.decode_beams(heard, beam_width=BEAM_SIZE, hotwords=hotwords, hotword_weight=WORD_GAIN)
        texts = [(" ".join(text.split()), score) for text, *_rest, score in beams if NO_TEXT not in text]
        if self._model.settings.is_closed:
            texts = [(text, score) for text, score in texts if allowed.issuperset(text.split())]
        found = texts[: self._model.settings.num_rescored]
        return [text for text, _score in found] if hotwords else worth_weighing(found)

    def _worth(self, words: Sequence[str], tree: Phrases[str]) -> float:
        """What the words of a text add to its score."""
        settings, progress, total = self._model.settings, tree.start, 0.0
        for word in words:
            progress, gain = tree.advance(progress, word)
            total += gain + settings.word_score
            if word not in self._model.numbers and not settings.is_closed:
                total += settings.unknown_score
        return total + tree.end(progress) + settings.lm_weight * sum(self._model.log_probs(words))


def worth_weighing(found: Sequence[tuple[str, float]]) -> list[str]:
    """The texts of a search, with their scores, that may still turn out to be the likeliest."""
    least = max((score for _text, score in found), default=0.0) - MARGIN
    return [text for text, score in found if score >= least]


def _labels(speller: Speller) -> list[str]:
    """The tokens as the library calls them, the blank last."""
    pieces = speller.tokens.pieces
    return [*(pieces if speller.space is None else (piece.replace(WORD_START, " ") for piece in pieces)), ""]
