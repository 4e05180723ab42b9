"""Recorded speech for the checks on real weights: what a stream hears of it and what the same weights make of it as a whole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import offline
from benchmarks.scoring import units
from benchmarks.speech import Clip, clips
from inference.audio import SAMPLE_RATE_HZ, rms
from inference.engines import registry
from inference.engines.base import Engine
from tests.acceptance.invented import assert_plausible
from tests.acceptance.rig import Rig, Transcript

FRAME_SAMPLES = SAMPLE_RATE_HZ // 50
LOUD_DB = -35
"""A frame is part of the speech when it is no more than this below the loudest one."""
Cut = Callable[[np.ndarray], np.ndarray]


def loaded(model: str) -> Engine[Any]:
    engine = registry.create(model, "auto")
    engine.load()
    return engine


@dataclass
class Ears:
    """Streams on `engine`. What was heard once is remembered: several checks ask for the same."""

    engine: Engine[Any]
    language: str = "en"
    rig: Rig = field(init=False)
    _wholes: dict[bytes, list[str]] = field(default_factory=dict)
    _lives: dict[tuple[bytes, str], Transcript] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rig = Rig(self.engine)

    def live(self, audio: np.ndarray, **options: Any) -> Transcript:
        """`audio`: float32 (num_samples,) at 16 kHz. Finals only, unless `interim` is given: they do not depend on partials.

        Whatever is heard in any check must look like speech.
        """
        wanted: dict[str, Any] = {"languages": (self.language,), "interim": False} | options
        key = audio.tobytes(), repr(wanted)
        if key not in self._lives:
            self._lives[key] = self.rig.hear(audio, **wanted)
            assert_plausible(self._lives[key])
        return self._lives[key]

    def whole(self, audio: np.ndarray) -> list[str]:
        """Words that the same weights make of the whole audio at once; at most 30 s."""
        key = audio.tobytes()
        if key not in self._wholes:
            self._wholes[key] = units(offline(self.engine, audio, self.language), by_character=False)
        return self._wholes[key]

    def know(self, audios: Iterable[np.ndarray]) -> None:
        """Learn what is said in them before a fault is switched on."""
        for audio in audios:
            self.whole(audio)

    def faulty(self, fault: Callable[[Engine[Any]], Engine[Any]]) -> "Ears":
        """The same, heard through a fault; what is known of whole recordings stays."""
        return FaultyEars(fault(self.engine), self.language, self._wholes)


class FaultyEars(Ears):
    """Must know what the sound engine makes of a whole recording already."""

    def __init__(self, engine: Engine[Any], language: str, wholes: dict[bytes, list[str]]) -> None:
        super().__init__(engine, language, wholes)

    def whole(self, audio: np.ndarray) -> list[str]:
        return self._wholes[audio.tobytes()]


def read_clips(folder: Path, count: int, longest_s: float = 10.0) -> list[Clip]:
    """Read English of as many speakers as there are clips."""
    fitting = [clip for clip in clips(folder, {"en"}, {"read"}) if 2 < clip.seconds < longest_s]
    return fitting[:: len(fitting) // count][:count]


def spoken_span(audio: np.ndarray) -> tuple[int, int]:
    """First and last loud sample, to 20 ms."""
    frames = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    level = np.array([rms(frame) for frame in frames])
    loud = np.flatnonzero(level > level.max() * 10 ** (LOUD_DB / 20))
    return int(loud[0]) * FRAME_SAMPLES, int(loud[-1] + 1) * FRAME_SAMPLES


def without_tail(audio: np.ndarray) -> np.ndarray:
    """Cut 40 ms after the last loud sample."""
    return audio[: spoken_span(audio)[1] + 2 * FRAME_SAMPLES]


def without_head(audio: np.ndarray) -> np.ndarray:
    """Speech from the first sample on."""
    return audio[spoken_span(audio)[0] :]


def first_match(spoken: list[str], heard: list[str]) -> int:
    """Number of the first spoken word that was heard; how many there are when none was."""
    blocks = SequenceMatcher(None, spoken, heard, autojunk=False).get_matching_blocks()
    return blocks[0].a
