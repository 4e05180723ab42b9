"""What is added to the score of a text as it grows token by token: for hotwords, and for words that a language model knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inference.decoding.hotwords import Phrases, Progress
from inference.decoding.language_model import LanguageModel, State
from inference.decoding.spelling import Speller

LETTER_GAIN: Final = 0.7
"""What each letter of a hotword adds, natural logarithm."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where a text is. progress: in the hotwords. ngram: after its last whole word. word: tokens of the word that is being
    written."""

    progress: Progress[int]
    ngram: State = None
    word: tuple[int, ...] = ()


class TokenScores:
    """Never changes; many decoders of one thread use it at a time."""

    def __init__(self, speller: Speller, model: LanguageModel | None, hotwords: Sequence[str] = ()) -> None:
        self.speller: Final = speller
        self._tokens: Final = speller.tokens
        self._model: Final = model
        self.phrases: Final = [speller.words(phrase) for phrase in hotwords]
        wanted = [speller.phrase(phrase) for phrase in self.phrases]
        self._phrases: Final = Phrases([phrase for phrase in wanted if phrase], self._gain_of)

    def start(self) -> Context:
        return Context(self._phrases.start, None if self._model is None else self._model.start())

    def advance(self, context: Context, token: int) -> tuple[Context, float]:
        """Write `token`, and what that adds."""
        begins, is_space = self._begins(context, token), self._tokens.is_space(token)
        progress, gain = self._phrases.advance(context.progress, token, begins=begins and not is_space, ends=begins)
        ngram, score = self._scored(context) if begins and context.word else (context.ngram, 0.0)
        word = () if is_space else (token,) if begins else (*context.word, token)
        return Context(progress, ngram, word), gain + score

    def end(self, context: Context) -> float:
        """What the end of the text adds."""
        ngram, score = self._scored(context) if context.word else (context.ngram, 0.0)
        last = 0.0 if self._model is None else self._model.end(ngram) * self._model.settings.lm_weight
        return self._phrases.end(context.progress) + score + last

    def _begins(self, context: Context, token: int) -> bool:
        """Whether a word ends before it."""
        return not context.word or len(self._tokens.groups((context.word[-1], token))) > 1 or self._tokens.is_space(token)

    def _scored(self, context: Context) -> tuple[State, float]:
        """After the word that is whole now, and what it adds."""
        if self._model is None:
            return None, 0.0
        settings, text = self._model.settings, self._tokens.text(context.word)
        number = self._model.numbers.get(text, self._model.unknown)
        ngram, log_prob = self._model.score(context.ngram, number)
        unknown = settings.unknown_score if number == self._model.unknown else 0.0
        return ngram, log_prob * settings.lm_weight + settings.word_score + unknown

    def _gain_of(self, token: int) -> float:
        return LETTER_GAIN * len(self._tokens.text([token]))
