"""A language model in memory: its n-grams in KenLM, its words, and what was made of them for the models that use it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from inference.decoding.artefact import LmFiles, LmSettings
from inference.decoding.ngrams.compiled import Compiled, compiled
from inference.errors import LanguageModelError

UNKNOWN: Final = "<unk>"
State = Any
"""Of the words that came before; flashlight's, which publishes no types."""
LN_10: Final = math.log(10)
"""KenLM's logarithms are decimal, all of ours natural."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a model knows a text. num_words: with the ends of lines, which are predicted too. perplexity: among how many words
    the model chooses, so to speak; not a number where there is no text."""

    num_words: int
    num_unknown: int
    perplexity: float


class LanguageModel:
    """Never changes; many decoders of one thread use it at a time. `numbers`: of words, 0 is the first of the lexicon; `unknown`
    stands for all others. `compiled`: where KenLM finds the n-grams, for others that want to."""

    def __init__(self, files: LmFiles) -> None:
        """Blocks as long as reading takes.

        Raises:
            LanguageModelError: a file is damaged.
        """
        self.files: Final = files
        self.words: Final = tuple(files.words())
        self.numbers: Final = {word: number for number, word in enumerate(self.words)}
        self.unknown: Final = len(self.words)
        self.compiled: Final = compiled(files.ngrams)
        self.ngrams: Final = _loaded(files, self.compiled, [*self.words, UNKNOWN])

    @property
    def name(self) -> str:
        return self.files.path.name

    @property
    def settings(self) -> LmSettings:
        return self.files.settings

    def log_probs(self, words: Sequence[str]) -> list[float]:
        """Of each word after those before it, and of the end after all of them; natural logarithms."""
        state, found = self.start(), []
        for word in words:
            state, log_prob = self.score(state, self.numbers.get(word, self.unknown))
            found.append(log_prob)
        return [*found, self.end(state)]

    def perplexity(self, lines: Iterable[Sequence[str]]) -> Fit:
        num_words = num_unknown = 0
        total = 0.0
        for line in lines:
            log_probs = self.log_probs(line)
            num_words += len(log_probs)
            num_unknown += sum(word not in self.numbers for word in line)
            total += math.fsum(log_probs)
        return Fit(num_words, num_unknown, math.exp(-total / num_words) if num_words else math.nan)

    def start(self) -> State:
        """Before the first word of a line."""
        return self.ngrams.start(False)  # noqa: FBT003  # not from nothing: the first word knows that it is the first

    def score(self, state: State, number: int) -> tuple[State, float]:
        after, log_prob = self.ngrams.score(state, number)
        return after, log_prob * LN_10

    def end(self, state: State) -> float:
        _after, log_prob = self.ngrams.finish(state)
        return float(log_prob * LN_10)


def _loaded(files: LmFiles, ngrams: Compiled, words: Sequence[str]) -> KenLM:
    known = Dictionary(list(words))
    known.set_default_index(len(words) - 1)
    try:
        return KenLM(str(ngrams.path), known)
    except RuntimeError as err:
        complaint = str(err).splitlines()[-1]
        raise LanguageModelError(f"{files.ngrams} is not what KenLM reads: {complaint}. Build the language model again.") from err
