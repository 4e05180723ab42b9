"""Clean utterances with the times of their words: as recorded, or joined from isolated words of one speaker."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.audio import SAMPLE_RATE_HZ
from inference.training.corpus import AudioShelf, Item, isolated_corpora
from inference.training.timing import TimedWord, guessed_words, trimmed_span

MAX_WORDS: Final = 9
MEAN_GAP_S: Final = 0.09
MAX_GAP_S: Final = 0.5
FADE_SAMPLES: Final = SAMPLE_RATE_HZ // 200
"""5 ms: so that no joint clicks."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """audio: float32 (num_samples,), mono, 16 kHz."""

    audio: np.ndarray
    words: tuple[TimedWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is to be heard: one recording, or several isolated words of one speaker, in order."""

    items: tuple[Item, ...]

    @property
    def seconds(self) -> float:
        return sum(item.seconds + (MEAN_GAP_S if len(self.items) > 1 else 0.0) for item in self.items)


class Voices:
    """The isolated words of each speaker."""

    def __init__(self, items: Sequence[Item]) -> None:
        by_speaker: defaultdict[str, list[Item]] = defaultdict(list)
        for item in items:
            by_speaker[item.speaker].append(item)
        self._by_speaker = dict(sorted(by_speaker.items()))

    def sentence(self, rng: np.random.Generator) -> Sentence:
        """One speaker says up to MAX_WORDS words at random; long strings are as likely as short ones."""
        voice = list(self._by_speaker.values())[int(rng.integers(len(self._by_speaker)))]
        picks = rng.integers(len(voice), size=int(rng.integers(1, MAX_WORDS + 1)))
        return Sentence(tuple(voice[int(pick)] for pick in picks))


class Speaker:
    """Makes audio of sentences.

    timings: by the id of an item, the words of it where a model has found them; otherwise they are guessed.
    """

    def __init__(self, shelf: AudioShelf, timings: dict[str, tuple[TimedWord, ...]] | None = None) -> None:
        self._shelf = shelf
        self._timings = timings or {}

    def say(self, sentence: Sentence, rng: np.random.Generator) -> Utterance:
        return self._one(sentence.items[0]) if len(sentence.items) == 1 else self._joined(sentence, rng)

    def _one(self, item: Item) -> Utterance:
        audio = self._shelf.read(item.path)
        return Utterance(audio, self._timings.get(item.id) or guessed_words(audio, item.text.split()))

    def _joined(self, sentence: Sentence, rng: np.random.Generator) -> Utterance:
        """Each word trimmed and at its own loudness, a short pause behind it."""
        parts, words, now = [], [], 0
        for item in sentence.items:
            audio = self._shelf.read(item.path)
            spoken = faded(audio[trimmed_span(audio)] * 10 ** (rng.uniform(-3, 3) / 20))
            words.append(TimedWord(item.text, now / SAMPLE_RATE_HZ, (now + len(spoken)) / SAMPLE_RATE_HZ))
            gap = np.zeros(int(min(rng.exponential(MEAN_GAP_S), MAX_GAP_S) * SAMPLE_RATE_HZ), dtype=np.float32)
            parts += [spoken, gap]
            now += len(spoken) + len(gap)
        return Utterance(np.concatenate(parts), tuple(words))


def faded(audio: np.ndarray) -> np.ndarray:
    """With both ends drawn to zero over 5 ms."""
    length = min(FADE_SAMPLES, len(audio) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    shaped = audio.astype(np.float32, copy=True)
    shaped[:length] *= ramp
    shaped[len(shaped) - length :] *= ramp[::-1]
    return shaped


class Library:
    """All sentences that training may hear, by domain; a domain is a corpus."""

    def __init__(self, items: Sequence[Item]) -> None:
        isolated = isolated_corpora(list(items))
        self._voices = {name: Voices([item for item in items if item.corpus == name]) for name in sorted(isolated)}
        self._recorded: dict[str, list[Item]] = {}
        for item in items:
            if item.corpus not in isolated:
                self._recorded.setdefault(item.corpus, []).append(item)

    @property
    def domains(self) -> tuple[str, ...]:
        return (*self._voices, *self._recorded)

    def is_joined(self, domain: str) -> bool:
        """Whether its sentences are made of isolated words."""
        return domain in self._voices

    def draw(self, domain: str, rng: np.random.Generator) -> Sentence:
        if domain in self._voices:
            return self._voices[domain].sentence(rng)
        items = self._recorded[domain]
        return Sentence((items[int(rng.integers(len(items)))],))
