"""Clean utterances with the times of their words: as recorded, or joined from isolated words of one speaker."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.audio import SAMPLE_RATE_HZ
from inference.training.corpus import AudioShelf, Item, isolated_corpora
from inference.training.timing import TimedWord, Timings, guessed_words, trimmed_span

MAX_WORDS: Final = 9
MEAN_GAP_S: Final = 0.12
MAX_GAP_S: Final = 0.5
MIN_CLIP_S: Final = 0.12
MAX_CLIP_S: Final = 1.2
"""A word that is cut out of a sentence is not shorter or longer."""
MIN_LEVEL: Final = 1e-5
"""Digital silence is not made louder than this allows."""
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
class Clip:
    """A recording, or one word of it: from start_s to end_s."""

    item: Item
    text: str
    start_s: float = 0.0
    end_s: float = float("inf")

    @property
    def seconds(self) -> float:
        return min(self.end_s, self.item.seconds) - self.start_s

    @property
    def span(self) -> slice:
        """Its samples in the recording."""
        return slice(int(self.start_s * SAMPLE_RATE_HZ), int(min(self.end_s, self.item.seconds + 1) * SAMPLE_RATE_HZ))


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is to be heard: one recording as it is, or words of one speaker, joined in order."""

    clips: tuple[Clip, ...]
    is_joined: bool

    @property
    def seconds(self) -> float:
        return sum(clip.seconds + (MEAN_GAP_S if self.is_joined else 0.0) for clip in self.clips)


class Voices:
    """The words of each speaker, one clip each."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        by_speaker: defaultdict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            by_speaker[clip.item.speaker].append(clip)
        self._by_speaker = dict(sorted(by_speaker.items()))

    def sentence(self, rng: np.random.Generator) -> Sentence:
        """One speaker says up to MAX_WORDS words at random; long strings are as likely as short ones."""
        voice = list(self._by_speaker.values())[int(rng.integers(len(self._by_speaker)))]
        picks = rng.integers(len(voice), size=int(rng.integers(1, MAX_WORDS + 1)))
        return Sentence(tuple(voice[int(pick)] for pick in picks), is_joined=True)


class Speaker:
    """Makes audio of sentences.

    timings: by the id of an item, the words of it where a model has found them all; otherwise they are guessed.
    """

    def __init__(self, shelf: AudioShelf, timings: Timings | None = None) -> None:
        self._shelf = shelf
        self._timings = timings or {}

    def say(self, sentence: Sentence, rng: np.random.Generator) -> Utterance:
        return self._joined(sentence, rng) if sentence.is_joined else self._one(sentence.clips[0].item)

    def _one(self, item: Item) -> Utterance:
        audio, words = self._shelf.read(item.path), item.text.split()
        timed = self._timings.get(item.id, ())
        return Utterance(audio, timed if [word.text for word in timed] == words else guessed_words(audio, words))

    def _joined(self, sentence: Sentence, rng: np.random.Generator) -> Utterance:
        """Each word trimmed, about as loud as the others, a short pause behind it: who says a string does not turn the microphone
        between two words, but single words may have been recorded at any level."""
        spoken = [self._trimmed(clip) for clip in sentence.clips]
        levels = [_level(audio) for audio in spoken]
        usual = float(np.exp(np.mean(np.log(levels))))
        parts, words, now = [], [], 0
        for clip, audio, level in zip(sentence.clips, spoken, levels, strict=True):
            said = faded(audio * (usual / level * 10 ** (rng.uniform(-3, 3) / 20)))
            words.append(TimedWord(clip.text, now / SAMPLE_RATE_HZ, (now + len(said)) / SAMPLE_RATE_HZ))
            gap = np.zeros(int(min(rng.exponential(MEAN_GAP_S), MAX_GAP_S) * SAMPLE_RATE_HZ), dtype=np.float32)
            parts += [said, gap]
            now += len(said) + len(gap)
        return Utterance(np.concatenate(parts), tuple(words))

    def _trimmed(self, clip: Clip) -> np.ndarray:
        audio = self._shelf.read(clip.item.path)[clip.span]
        return audio[trimmed_span(audio)]


def _level(audio: np.ndarray) -> float:
    """Root mean square, above nothing."""
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) + MIN_LEVEL


def faded(audio: np.ndarray) -> np.ndarray:
    """With both ends drawn to zero over 5 ms."""
    length = min(FADE_SAMPLES, len(audio) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    shaped = audio.astype(np.float32, copy=True)
    shaped[:length] *= ramp
    shaped[len(shaped) - length :] *= ramp[::-1]
    return shaped


class Library:
    """All sentences that training may hear, by domain: a corpus, or the words of one in another order.

    spliced: corpora whose words are also heard in another order, as the domain `NAME spliced`. strings: corpora, and the words of
    theirs that are also heard in strings of nothing else, as the domain `NAME strings`. Both need the times of words.
    """

    def __init__(
        self,
        items: Sequence[Item],
        spliced: Sequence[str] = (),
        timings: Timings | None = None,
        strings: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        isolated = isolated_corpora(list(items))
        by_corpus: defaultdict[str, list[Item]] = defaultdict(list)
        for item in items:
            by_corpus[item.corpus].append(item)
        self._recorded = {name: mine for name, mine in by_corpus.items() if name not in isolated}
        self._voices = {name: Voices([Clip(item, item.text) for item in by_corpus[name]]) for name in sorted(isolated)}
        cut = {name: _clips(self._recorded.get(name, []), timings or {}) for name in {*spliced, *(strings or {})}}
        for name in spliced:
            self._add_voices(f"{name} spliced", cut[name])
        for name, words in (strings or {}).items():
            self._add_voices(f"{name} strings", [clip for clip in cut[name] if clip.text in words])

    def _add_voices(self, domain: str, clips: Sequence[Clip]) -> None:
        if clips:
            self._voices[domain] = Voices(clips)

    @property
    def domains(self) -> tuple[str, ...]:
        return (*self._voices, *self._recorded)

    def is_joined(self, domain: str) -> bool:
        """Whether its sentences are made of single words."""
        return domain in self._voices

    def draw(self, domain: str, rng: np.random.Generator) -> Sentence:
        if domain in self._voices:
            return self._voices[domain].sentence(rng)
        item = self._recorded[domain][int(rng.integers(len(self._recorded[domain])))]
        return recorded(item)


def recorded(item: Item) -> Sentence:
    """As it was said."""
    return Sentence((Clip(item, item.text),), is_joined=False)


def _clips(items: Sequence[Item], timings: Timings) -> list[Clip]:
    """The words of those whose times are known, but no scraps."""
    return [
        Clip(item, word.text, word.start_s, word.end_s)
        for item in items
        for word in timings.get(item.id, ())
        if MIN_CLIP_S <= word.end_s - word.start_s <= MAX_CLIP_S
    ]
