"""The recordings that models are measured with: a folder of FLAC or WAV files, by default the few that come with the project."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from inference.audio import SAMPLE_RATE_HZ, Resampler
from inference.bench.errors import BenchError
from inference.messages import ModelInfo

ENDINGS: Final = (".flac", ".wav")
MAX_CLIPS: Final = 24
MAX_SAMPLES: Final = 15 * SAMPLE_RATE_HZ
"""Of a longer recording the beginning is heard: so long is the longest segment of a stream by default."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording. `language` empty: not known. `text`: what is said in all of `audio`; empty: not known.

    audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1].
    """

    name: str
    language: str
    audio: np.ndarray
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Recording:
    """Where a clip lies; not read yet."""

    path: Path
    language: str
    text: str = ""

    def read(self) -> Clip:
        """Raises BenchError where it is no audio."""
        try:
            audio, rate_hz = soundfile.read(self.path, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError) as err:
            raise BenchError(f"{self.path} cannot be read as audio ({err}); expected FLAC or WAV.") from err
        mono = Resampler(rate_hz).push(audio.mean(axis=1), is_last=True)
        return Clip(self.path.name, self.language, mono[:MAX_SAMPLES], self.text if len(mono) <= MAX_SAMPLES else "")


def recordings(folder: Path, language: str = "") -> list[Recording]:
    """Those of `folder`, with what its manifest.jsonl says of them (`file`, `lang`, `text`); `language` stands above it.

    Raises:
        BenchError: there is none.
    """
    entries = _manifest(folder / "manifest.jsonl")
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in ENDINGS) if folder.is_dir() else []
    if not paths:
        raise BenchError(f"There is no recording in {folder}: give a folder of FLAC or WAV files with --audio.")
    return [_recording(path, entries.get(path.name, {}), language) for path in paths]


def _recording(path: Path, entry: dict[str, str], language: str) -> Recording:
    return Recording(path, language or entry.get("lang", "").partition("-")[0], entry.get("text", ""))


def _manifest(path: Path) -> dict[str, dict[str, str]]:
    """File name → what is said of it."""
    if not path.exists():
        return {}
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {entry["file"]: entry for entry in entries}


def clips_for(info: ModelInfo, found: list[Recording], max_clips: int = MAX_CLIPS) -> list[Clip]:
    """Those that the model knows the language of, `max_clips` at most, taken evenly.

    Raises:
        BenchError: it knows none of the languages, or a file is no audio.
    """
    fitting = [recording for recording in found if not recording.language or info.can_serve([recording.language])]
    if not fitting:
        raise BenchError(f"None of the {len(found)} recordings is in a language that {info.name} knows.")
    every = -(-len(fitting) // max_clips)
    return [recording.read() for recording in fitting[::every]]
