"""A scripted engine for tests and for trying the server without weights: it reads words that were written into the audio.

`speak` writes words as square waves whose loudness is the word's number; `FakeEngine` reads them back, so what a test
sends is what it must get, at known samples, through every layer that real speech passes. Faults can be switched on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from msgspec import structs

from inference.audio import SAMPLE_RATE_HZ, to_samples
from inference.engines.base import Hypothesis, Window, Word
from inference.errors import WeightsError
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
    """What goes wrong, for tests.

    step_delay_s: each step waits so long; step_cpu_s: computes so long. fail_on: a word that makes a step raise.
    load_delay_s: loading takes so long; fails_to_load: and then breaks. is_mute: it hears no words. mishears: a word for which it
    takes every other one. ballast_bytes: memory that it takes besides, four bytes of it for a parameter.
    """

    step_delay_s: float = 0.0
    fail_on: str | None = None
    step_cpu_s: float = 0.0
    load_delay_s: float = 0.0
    fails_to_load: bool = False
    is_mute: bool = False
    mishears: str = ""
    ballast_bytes: int = 0


def faults_of(text: str) -> Faults:
    """`load_delay_s=0.5&is_mute=1` as faults.

    Raises:
        WeightsError: there is no such fault, or its value is of another kind.
    """
    known = {fault.name for fault in fields(Faults)}
    try:
        given = dict(parse_qsl(text, strict_parsing=bool(text)))
        if not given.keys() <= known:
            raise ValueError(f"there are {', '.join(sorted(known))}")
        return msgspec.convert(given, Faults, strict=False)
    except ValueError as err:
        raise WeightsError(f"The scripted engine has no such faults: {text!r} ({err}).") from err


@dataclass(slots=True)
class FakeState:
    """Of one stream; `num_steps` is there to prove that state is kept per stream."""

    num_steps: int = 0


@dataclass(slots=True)
class FakeEngine:
    faults: Faults = field(default_factory=Faults)
    info: ModelInfo = ModelInfo(name="fake", engine="fake", languages=("en", "de"), multilingual=True)
    is_loaded: bool = False
    ballast: np.ndarray | None = None

    @classmethod
    def called(cls, name: str, faults: Faults) -> "FakeEngine":
        """Under another name than its own."""
        engine = cls(faults)
        engine.info = structs.replace(engine.info, name=name)
        return engine

    def num_parameters(self) -> int:
        return self.faults.ballast_bytes // 4

    def load(self) -> None:
        time.sleep(self.faults.load_delay_s)
        if self.faults.fails_to_load:
            raise WeightsError(f"{self.info.name} was to fail, and did.")
        self.ballast = np.ones(self.faults.ballast_bytes, dtype=np.uint8)
        self.is_loaded = True

    def warm_up(self) -> None:
        self.step([Window(self.open_stream(), speak("alpha"), ("en",), is_final=True)])

    def open_stream(self) -> FakeState:
        return FakeState()

    def finish(self, state: FakeState) -> None:
        state.num_steps = 0

    def close(self) -> None:
        self.is_loaded = False
        self.ballast = None

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        time.sleep(self.faults.step_delay_s)
        until_s = time.thread_time() + self.faults.step_cpu_s
        while time.thread_time() < until_s:
            pass
        return [self._read(window) for window in batch]

    def _read(self, window: Window[FakeState]) -> Hypothesis:
        window.state.num_steps += 1
        words = [] if self.faults.is_mute else _read_words(window.audio)
        if self.faults.mishears:
            words = [replace(word, text=self.faults.mishears) for word in words]
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
