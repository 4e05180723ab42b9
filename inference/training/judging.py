"""How well a model hears speakers whom it has not met: word error by domain, with the interval in which it may lie.

What was understood is handed in; nothing here is chosen by what comes out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from inference.audio import SAMPLE_RATE_HZ
from inference.training.corpus import AudioShelf, Item, isolated_corpora, read_corpus
from inference.training.utterances import Clip, Sentence, Speaker, recorded
from inference.wording import num_wrong, words

NUM_RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
SILENCE_S: Final = 0.3
"""Put before and behind each recording, as the server's segments have it."""
STRING_WORDS: Final = (3, 9)
"""Isolated words are joined to strings of 3 to 8."""


@dataclass(frozen=True, slots=True)
class Trial:
    """audio: float32 (num_samples,), 16 kHz."""

    id: str
    domain: str
    reference: str
    audio: np.ndarray


@dataclass(frozen=True, slots=True)
class Answer:
    trial_id: str
    domain: str
    reference: str
    text: str

    @property
    def num_wrong(self) -> int:
        return num_wrong(words(self.reference), words(self.text))

    @property
    def num_words(self) -> int:
        return len(words(self.reference))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rates are wrong words for each word that was said; low and high bound it with 95 % confidence."""

    domain: str
    num_trials: int
    num_words: int
    rate: float
    low: float
    high: float

    def line(self) -> str:
        return (
            f"{self.domain:<40} {self.num_trials:>5} utterances {self.num_words:>6} words   "
            f"WER {self.rate:6.1%}   ({self.low:.1%} to {self.high:.1%})"
        )


def held_out_trials(corpora: Iterable[Path], max_trials: int | None = None) -> list[Trial]:
    """What speakers say who are in no training item. Isolated words come joined, each once; at most so many of each domain."""
    return trials_of([item for folder in corpora for item in read_corpus(folder) if item.is_held_out], max_trials)


def trials_of(items: Sequence[Item], max_trials: int | None = None) -> list[Trial]:
    isolated, shelf = isolated_corpora(list(items)), AudioShelf()
    trials: list[Trial] = []
    for domain in sorted({item.corpus for item in items}):
        mine = [item for item in items if item.corpus == domain]
        sentences = joined_strings(mine) if domain in isolated else [recorded(item) for item in mine]
        trials += [_trial(sentence, domain, shelf) for sentence in _spread(sentences, max_trials)]
    return trials


def joined_strings(items: Sequence[Item]) -> list[Sentence]:
    """Strings of one speaker's words in an order that is always the same."""
    rng = np.random.default_rng(0)
    sentences: list[Sentence] = []
    for speaker in sorted({item.speaker for item in items}):
        mine = [item for item in items if item.speaker == speaker]
        order = [mine[int(place)] for place in rng.permutation(len(mine))]
        while order:
            length = int(rng.integers(*STRING_WORDS))
            sentences.append(Sentence(tuple(Clip(item, item.text) for item in order[:length]), is_joined=True))
            order = order[length:]
    return sentences


def _spread(sentences: list[Sentence], max_trials: int | None) -> list[Sentence]:
    """At most so many, from all over the list."""
    if max_trials is None or len(sentences) <= max_trials:
        return sentences
    return [sentences[place] for place in np.linspace(0, len(sentences) - 1, max_trials).astype(int)]


def _trial(sentence: Sentence, domain: str, shelf: AudioShelf) -> Trial:
    utterance = Speaker(shelf).say(sentence, np.random.default_rng(len(sentence.clips)))
    silence = np.zeros(int(SILENCE_S * SAMPLE_RATE_HZ), dtype=np.float32)
    return Trial(sentence.clips[0].item.id, domain, utterance.text, np.concatenate([silence, utterance.audio, silence]))


def verdicts(answers: Sequence[Answer]) -> list[Verdict]:
    """One for each domain, in alphabetical order."""
    domains = sorted({answer.domain for answer in answers})
    return [_verdict(domain, [answer for answer in answers if answer.domain == domain]) for domain in domains]


def _verdict(domain: str, answers: Sequence[Answer]) -> Verdict:
    wrong = np.array([answer.num_wrong for answer in answers])
    said = np.array([answer.num_words for answer in answers])
    low, high = interval(wrong, said)
    return Verdict(domain, len(answers), int(said.sum()), float(wrong.sum() / said.sum()), low, high)


def interval(wrong: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    """Bootstrap over utterances. wrong, said: int (num_utterances,). The same numbers give the same interval.

    Source: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation".
    """
    picks = np.random.default_rng(0).integers(len(wrong), size=(NUM_RESAMPLES, len(wrong)))
    rates = wrong[picks].sum(axis=1) / np.maximum(said[picks].sum(axis=1), 1)
    outside = (1 - CONFIDENCE) / 2
    return float(np.quantile(rates, outside)), float(np.quantile(rates, 1 - outside))
