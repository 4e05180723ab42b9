"""What is said: words of the scripted engine at known samples, or recorded speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np

from benchmarks.speech import Clip
from inference.audio import SAMPLE_RATE_HZ
from inference.engines.fake import PAUSE_SAMPLES, VOCABULARY, WORD_SAMPLES, speak

PAUSE_S: Final = (0.7, 1.3)
SENTENCE_WORDS: Final = (3, 9)
SAMPLE_BYTES: Final = 2
STEP_SAMPLES: Final = WORD_SAMPLES + PAUSE_SAMPLES


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word and the samples that it fills."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Talk:
    """pcm: 16-bit, mono, 16 kHz. words: what is said in it where that is known for certain; else empty."""

    name: str
    pcm: bytes
    words: tuple[Spoken, ...] = ()
    model: str | None = None

    @property
    def num_samples(self) -> int:
        return len(self.pcm) // SAMPLE_BYTES

    @property
    def length_ms(self) -> int:
        return self.num_samples * 1000 // SAMPLE_RATE_HZ


def scripted(number: int, seconds: float) -> Talk:
    """Sentences of words in an order that no other number has; no word follows itself, so that one that comes twice shows."""
    random = Random(f"talk {number}")
    pieces: list[np.ndarray] = []
    words: list[Spoken] = []
    at = 0
    while at < seconds * SAMPLE_RATE_HZ:
        sentence = _sentence(random, words[-1].text if words else "")
        words += [
            Spoken(word, at + place * STEP_SAMPLES, at + place * STEP_SAMPLES + WORD_SAMPLES)
            for place, word in enumerate(sentence)
        ]
        pieces += [speak(" ".join(sentence)), _quiet(random.uniform(*PAUSE_S))]
        at += len(pieces[-2]) + len(pieces[-1])
    return Talk(f"scripted-{number}", _pcm(np.concatenate(pieces)), tuple(words))


def _sentence(random: Random, before: str) -> list[str]:
    words: list[str] = []
    for _ in range(random.randint(*SENTENCE_WORDS)):
        words.append(random.choice([word for word in VOCABULARY if word != (words[-1] if words else before)]))
    return words


def recorded(name: str, clips: Sequence[Clip], model: str) -> Talk:
    """The clips one after the other with a second of quiet between them."""
    pieces = [piece for clip in clips for piece in (clip.audio(), _quiet(1.0))]
    return Talk(name, _pcm(np.concatenate(pieces)), model=model)


def _quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)


def _pcm(audio: np.ndarray) -> bytes:
    return np.asarray(np.rint(np.clip(audio, -1, 1) * 32767), dtype="<i2").tobytes()
