"""The reference clip that a model must hear rightly before anybody is given to it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from django.conf import settings

import inference
from inference.audio import SAMPLE_RATE_HZ, Resampler
from inference.messages import Canary
from transcription.models import ASRModel

MAX_SAMPLES: Final = 30 * SAMPLE_RATE_HZ
OWN_CLIPS: Final = "reference"
"""Folder beside the weights of a model that knows a narrow field: it is tried on these clips and no others."""
SHIPPED_FOLDERS: Final = {"conformer-edge": Path(inference.__file__).parent / "engines" / "conformer_ctc" / "edge"}
"""Of those that come with the project and know a narrow field."""


@dataclass(frozen=True, slots=True)
class ReferenceClip:
    """A recording with what is said in it. `language`: without its region."""

    path: Path
    text: str
    language: str

    @property
    def num_words(self) -> int:
        return len(self.text.split())

    def payload(self) -> bytes:
        """PCM, 16-bit, mono, 16 kHz.

        Raises:
            OSError, soundfile.LibsndfileError: it cannot be read.
        """
        return _read(self.path)


@cache
def _read(path: Path) -> bytes:
    audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = Resampler(rate_hz).push(audio.mean(axis=1), is_last=True)[:MAX_SAMPLES]
    pcm: bytes = (np.clip(mono, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm


def canary_for(model: ASRModel, language: str) -> Canary | None:
    """A clip in `language` (empty: the model's choice), if there is one that the model knows the language of.

    The one with the most words: a wrong one weighs least there.
    """
    known = [clip for clip in clips_for(model) if not model.languages or clip.language in model.languages]
    fitting = [clip for clip in known if language.partition("-")[0] in {"", clip.language}]
    if not fitting:
        return None
    clip = max(fitting, key=lambda clip: (clip.language == "en", clip.num_words))
    return Canary(
        payload=clip.payload(),
        text=clip.text,
        language=clip.language,
        max_wer=settings.HARK_CANARY_MAX_WER / 100,
        max_rtf=settings.HARK_CANARY_MAX_RTF / 100,
    )


def clips_for(model: ASRModel | None) -> list[ReferenceClip]:
    """Its own, where it has some; else those that are there for all. None: of a model that is not in the catalogue."""
    own = [] if model is None else list(reference_clips(folder_of(model) / OWN_CLIPS))
    return own or list(reference_clips(settings.HARK_CANARY_DIR))


def folder_of(model: ASRModel) -> Path:
    """Where its weights lie; nowhere, for a model from a package."""
    if model.source:
        return Path(model.source)
    return SHIPPED_FOLDERS.get((model.variant_of or model).name, Path("/nonexistent"))


def reference_clips(folder: Path) -> Iterator[ReferenceClip]:
    """Those of the folder's manifest.jsonl, whose lines hold `file`, `text` and `lang`."""
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        return
    for line in manifest.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        yield ReferenceClip(folder / entry["file"], entry["text"], entry["lang"].partition("-")[0])
