"""The clips that come with the project, and how recognised words are compared with spoken ones."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

FOLDER = Path(__file__).parent / "data" / "speech"


@dataclass(frozen=True, slots=True)
class Clip:
    """audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1]."""

    name: str
    text: str
    language: str
    audio: np.ndarray

    @property
    def words(self) -> list[str]:
        return spoken_words(self.text)


@cache
def clips(language: str = "en") -> tuple[Clip, ...]:
    """Those of one language, shortest first."""
    entries = [json.loads(line) for line in (FOLDER / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [
        Clip(entry["id"], entry["text"], entry["lang"], soundfile.read(FOLDER / entry["file"], dtype="float32")[0])
        for entry in entries
        if entry["lang"] == language
    ]
    return tuple(sorted(found, key=lambda clip: len(clip.audio)))


def spoken_words(text: str) -> list[str]:
    """Words without case and punctuation; every Han character is one."""
    return re.findall(r"[\u4e00-\u9fff]|[a-z0-9']+", text.lower().replace("’", "'"))
