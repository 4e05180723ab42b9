"""The recorded speech that is measured on: a folder with manifest.jsonl and FLAC files (HARK_SPEECH_DIR)."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.scoring import CHARACTER_KINDS, CHARACTER_LANGUAGES

PROJECT_DIR = Path(__file__).resolve().parent.parent


def speech_folder() -> Path:
    return Path(os.environ.get("HARK_SPEECH_DIR", PROJECT_DIR.parent / "shared" / "speech"))


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording with its transcript."""

    name: str
    path: Path
    text: str
    language: str
    kind: str
    seconds: float

    @property
    def by_character(self) -> bool:
        return self.language in CHARACTER_LANGUAGES or self.kind in CHARACTER_KINDS

    def audio(self) -> np.ndarray:
        """float32 (num_samples,), mono, 16 kHz."""
        audio, rate_hz = soundfile.read(self.path, dtype="float32")
        assert rate_hz == 16_000
        return np.asarray(audio)


def clips(folder: Path, languages: set[str] | None = None, kinds: set[str] | None = None) -> Iterator[Clip]:
    """The clips of `folder`, in the order of its manifest; no filter means all. Of a folder for training those that nothing was
    trained on; their kind is the corpus that they come from."""
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        language, kind = item.get("lang", "en").split("-")[0], item.get("kind") or item["corpus"]
        is_seen = item.get("set") == "train"
        if not is_seen and (languages is None or language in languages) and (kinds is None or kind in kinds):
            yield Clip(item["id"], folder / item["file"], item["text"], language, kind, item["seconds"])
