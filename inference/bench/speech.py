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
    """One recording. `language` empty: not known.

    audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1].
    """

    name: str
    language: str
    audio: np.ndarray

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Recording:
    """Where a clip lies; not read yet."""

    path: Path
    language: str

    def read(self) -> Clip:
        """Raises BenchError where it is no audio."""
        try:
            audio, rate_hz = soundfile.read(self.path, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError) as err:
            raise BenchError(f"{self.path} cannot be read as audio ({err}); expected FLAC or WAV.") from err
        mono = Resampler(rate_hz).push(audio.mean(axis=1), is_last=True)
        return Clip(self.path.name, self.language, mono[:MAX_SAMPLES])


def recordings(folder: Path, language: str = "") -> list[Recording]:
    """Those of `folder`, with the language that its manifest.jsonl gives them (`file`, `lang`), else `language`.

    Raises:
        BenchError: there is none.
    """
    languages = _manifest(folder / "manifest.jsonl")
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in ENDINGS) if folder.is_dir() else []
    if not paths:
        raise BenchError(f"There is no recording in {folder}: give a folder of FLAC or WAV files with --audio.")
    return [Recording(path, language or languages.get(path.name, "")) for path in paths]


def _manifest(path: Path) -> dict[str, str]:
    """File name → language."""
    if not path.exists():
        return {}
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {entry["file"]: entry["lang"].partition("-")[0] for entry in entries}


def clips_for(info: ModelInfo, found: list[Recording]) -> list[Clip]:
    """Those that the model knows the language of, MAX_CLIPS at most, taken evenly.

    Raises:
        BenchError: it knows none of the languages, or a file is no audio.
    """
    fitting = [recording for recording in found if not recording.language or info.can_serve([recording.language])]
    if not fitting:
        raise BenchError(f"None of the {len(found)} recordings is in a language that {info.name} knows.")
    every = -(-len(fitting) // MAX_CLIPS)
    return [recording.read() for recording in fitting[::every]]
