"""What a search through the words of a language model needs, made once for all segments: the lexicon as a tree of tokens, the
n-grams, and what hotwords add to them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flashlight.lib.text.decoder import LM, CriterionType, LexiconDecoder, LexiconDecoderOptions, LMState, SmearingMode, Trie

from inference.decoding.hotwords import Phrases, Progress, gain_of
from inference.decoding.language_model import LN_10, LanguageModel, State
from inference.decoding.spelling import Speller

logger = logging.getLogger(__name__)

MAX_TOKENS: Final = 8
"""The likeliest tokens of a frame that are looked at."""
THRESHOLD: Final = 20.0
"""Texts that are so much less likely than the best one are dropped, natural logarithm."""
NEVER: Final = -1e9


@dataclass(frozen=True, slots=True)
class Said:
    """What a text is after a word: in the n-grams, and in the hotwords."""

    state: State
    progress: Progress[int]


class BoostedNgrams(LM):  # type: ignore[misc]  # flashlight publishes no types
    """The n-grams and hotwords together: what flashlight asks for the score of a word. Weighted, so that flashlight need not."""

    def __init__(self, model: LanguageModel, phrases: Phrases[int]) -> None:
        LM.__init__(self)
        self._model = model
        self._phrases = phrases
        self._said: dict[LMState, Said] = {}
        self._scores: dict[tuple[LMState, int], tuple[LMState, float]] = {}  # frame after frame asks for the same

    def start(self, start_with_nothing: bool) -> LMState:  # noqa: FBT001  # flashlight's own signature
        state = LMState()
        self._said = {state: Said(self._model.start(), self._phrases.start)}
        self._scores = {}
        return state

    def score(self, state: LMState, number: int) -> tuple[LMState, float]:
        known = self._scores.get((state, number))
        if known is None:
            known = self._scores[state, number] = self._scored(state, number)
        return known

    def finish(self, state: LMState) -> tuple[LMState, float]:
        said = self._said[state]
        return state, self._model.end(said.state) * self._model.settings.lm_weight + self._phrases.end(said.progress)

    def _scored(self, state: LMState, number: int) -> tuple[LMState, float]:
        said, after = self._said[state], state.child(number)
        ngram, log_prob = self._model.score(said.state, min(number, self._model.unknown))
        progress, gain = self._phrases.advance(said.progress, number)
        self._said[after] = Said(ngram, progress)
        return after, log_prob * self._model.settings.lm_weight + gain


class WordSearch:
    """Never changes, so many decoders of one thread share it. Numbers of words go on behind the lexicon's: its unknown one, then
    those of the hotwords that are not in it."""

    def __init__(self, model: LanguageModel, speller: Speller, hotwords: Sequence[str] = ()) -> None:
        """Blocks as long as the tree takes to make: 10 us for each word of the lexicon."""
        self.model: Final = model
        self.speller: Final = speller
        self.tokens: Final = speller.tokens
        self.separator: Final = self.tokens.blank if speller.space is None else speller.space
        self.phrases: Final = [speller.words(phrase) for phrase in hotwords]
        missing = dict.fromkeys(word for phrase in self.phrases for word in phrase if word not in model.numbers)
        self.words: Final = (*model.words, "", *missing)
        self._numbers: Final = model.numbers | {word: model.unknown + 1 + place for place, word in enumerate(missing)}
        phrases = [[self._numbers[word] for word in phrase] for phrase in self.phrases]
        self._phrases: Final = Phrases(phrases, gain_of) if phrases else None
        self._trie: Final = self._tree()
        self._options: Final = self._chosen()

    def open(self) -> tuple[LexiconDecoder, Any]:
        """A search that begins, and what must be kept as long as it is used."""
        ngrams = self._ngrams()
        decoder = LexiconDecoder(
            self._options, self._trie, ngrams, self.separator, self.tokens.blank, self.model.unknown, [], False  # noqa: FBT003
        )  # fmt: skip
        decoder.decode_begin()
        return decoder, ngrams

    def texts(self, numbers: Sequence[int]) -> list[str]:
        return [self.words[number] for number in numbers]

    def _ngrams(self) -> Any:
        return self.model.ngrams if self._phrases is None else BoostedNgrams(self.model, self._phrases)

    def _chosen(self) -> LexiconDecoderOptions:
        settings = self.model.settings
        return LexiconDecoderOptions(
            beam_size=settings.beam_size,
            beam_size_token=min(MAX_TOKENS, len(self.tokens) + 1),
            beam_threshold=THRESHOLD,
            lm_weight=settings.lm_weight * LN_10 if self._phrases is None else 1.0,
            word_score=settings.word_score,
            unk_score=NEVER,
            sil_score=0.0,
            log_add=True,
            criterion_type=CriterionType.CTC,
        )

    def _tree(self) -> Trie:
        """All words, with the space behind them: did words run together, letters that are words would spell anything. Where words
        begin with pieces of their own, a blank may stand there, without which the last piece could not be held over frames."""
        trie = Trie(len(self.tokens) + 1, self.separator)
        ngrams = self._ngrams()
        start = ngrams.start(False)  # noqa: FBT003  # as the start of a line
        unwritable = []
        for word, number in self._numbers.items():
            spelled = self.speller.spell(word)
            if spelled is None:
                unwritable.append(word)
                continue
            _state, score = ngrams.score(start, number)
            trie.insert([*spelled, self.separator], number, score)
            if self.speller.space is None:
                trie.insert([*spelled], number, score)
        trie.smear(SmearingMode.MAX)
        self._complain(unwritable)
        return trie

    def _complain(self, unwritable: Sequence[str]) -> None:
        """Of the lexicon alone, and once: what somebody expects to hear is nothing for a log."""
        if unwritable and not self.phrases:
            shown = ", ".join(unwritable[:5])
            logger.warning("language model %s: the model cannot write %d words: %s", self.model.name, len(unwritable), shown)
