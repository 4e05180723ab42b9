"""A scripted engine for tests and for trying the server without weights: it reads words that were written into the audio.

`speak` writes words as square waves whose loudness is the word's number; `FakeEngine` reads them back, so what a test
sends is what it must get, at known samples, through every layer that real speech passes. Faults can be switched on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from inference.audio import SAMPLE_RATE_HZ, to_samples
from inference.engines.base import Hypothesis, Window, Word
from inference.messages import ModelInfo

VOCABULARY: Final = (
    "alpha",
    "bravo",
    "charlie",
    "delta",
    "echo",
    "foxtrot",
    "golf",
    "hotel",
    "india",
    "juliett",
    "kilo",
    "lima",
    "mike",
    "november",
    "oscar",
    "papa",
    "quebec",
    "romeo",
    "sierra",
    "tango",
    "uniform",
    "victor",
    "whiskey",
    "xray",
    "yankee",
    "zulu",
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
WORD_SAMPLES: Final = to_samples(300)
PAUSE_SAMPLES: Final = to_samples(100)
LEVEL_STEP: Final = 0.02
LOUDEST_QUIET: Final = LEVEL_STEP / 2
STABLE_SAMPLES: Final = to_samples(600)


def speak(text: str) -> np.ndarray:
    """Audio of `text`, float32 (num_samples,) at 16 kHz: 300 ms a word and 100 ms of pause after it."""
    pieces = [_word(VOCABULARY.index(word)) for word in text.split()]
    return np.concatenate([np.zeros(0, dtype=np.float32), *pieces])


def _word(number: int) -> np.ndarray:
    wave = np.where(np.arange(WORD_SAMPLES) % 80 < 40, 1.0, -1.0) * (number + 1) * LEVEL_STEP
    return np.concatenate([wave, np.zeros(PAUSE_SAMPLES)]).astype(np.float32)


@dataclass(slots=True)
class Faults:
    """What goes wrong, for tests. `fail_on`: a word that makes every step that holds it raise."""

    step_delay_s: float = 0.0
    fail_on: str | None = None


@dataclass(slots=True)
class FakeState:
    """Of one stream; `num_steps` is there to prove that state is kept per stream."""

    num_steps: int = 0


@dataclass(slots=True)
class FakeEngine:
    faults: Faults = field(default_factory=Faults)
    info: ModelInfo = ModelInfo(name="fake", engine="fake", languages=("en", "de"), multilingual=True)
    is_loaded: bool = False

    def num_parameters(self) -> int:
        return 0

    def load(self) -> None:
        self.is_loaded = True

    def warm_up(self) -> None:
        self.step([Window(self.open_stream(), speak("alpha"), ("en",), is_final=True)])

    def open_stream(self) -> FakeState:
        return FakeState()

    def finish(self, state: FakeState) -> None:
        state.num_steps = 0

    def close(self) -> None:
        self.is_loaded = False

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        time.sleep(self.faults.step_delay_s)
        return [self._read(window) for window in batch]

    def _read(self, window: Window[FakeState]) -> Hypothesis:
        window.state.num_steps += 1
        words = _read_words(window.audio)
        if self.faults.fail_on in [word.text for word in words]:
            raise RuntimeError("a fault was switched on")
        limit_ms = (len(window.audio) - STABLE_SAMPLES) * 1000 // SAMPLE_RATE_HZ
        return Hypothesis(
            text=" ".join(word.text for word in words),
            stable=" ".join(word.text for word in words if word.end_ms <= limit_ms),
            language=window.languages[0] if window.languages else "en",
            confidence=1.0 if words else 0.0,
            words=tuple(words),
        )


def _read_words(audio: np.ndarray) -> list[Word]:
    loud = np.concatenate([[False], np.abs(audio) > LOUDEST_QUIET, [False]])
    edges = np.flatnonzero(np.diff(loud.astype(np.int8)))
    words = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        number = round(float(np.median(np.abs(audio[start:end]))) / LEVEL_STEP) - 1
        if 0 <= number < len(VOCABULARY):
            words.append(Word(VOCABULARY[number], start * 1000 // SAMPLE_RATE_HZ, end * 1000 // SAMPLE_RATE_HZ, 1.0))
    return words
