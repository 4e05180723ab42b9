"""Speech with its texts on disk: a folder with `manifest.jsonl`, one utterance a line. Reads and decodes; changes nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr

from inference.audio import SAMPLE_RATE_HZ
from inference.training.characters import normalised
from inference.training.errors import CorpusError

MANIFEST: Final = "manifest.jsonl"
SETS: Final = ("train", "dev")


@dataclass(frozen=True, slots=True)
class Item:
    """is_held_out: of a speaker that no training may hear (`"set": "dev"`)."""

    id: str
    path: Path
    text: str
    speaker: str
    corpus: str
    seconds: float
    is_held_out: bool


def read_corpus(folder: Path) -> list[Item]:
    """The utterances of `folder`, in the order of its manifest.

    Raises:
        CorpusError: there is no manifest, or a line of it lacks something, or has a text that is not of English letters.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise CorpusError(f"There is no {manifest}; expected one JSON object a line: file, text, speaker, seconds, corpus, set.")
    try:
        lines = manifest.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise CorpusError(f"{manifest} cannot be read: {err}. Expected JSON in UTF-8, one object a line.") from err
    return [_item(folder, line, f"{manifest}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _item(folder: Path, line: str, place: str) -> Item:
    try:
        record: dict[str, Any] = json.loads(line)
        path, text, kind = folder / record["file"], normalised(record["text"]), record.get("set", "train")
        seconds = float(record.get("seconds") or soundfile.info(path).duration)
        if kind not in SETS:
            raise CorpusError(f'"set" is {kind!r}; expected one of {SETS}.')
        return Item(
            id=str(record.get("id", record["file"])),
            path=path,
            text=text,
            speaker=str(record.get("speaker", "unknown")),
            corpus=str(record.get("corpus", folder.name)),
            seconds=seconds,
            is_held_out=kind == "dev",
        )
    except CorpusError as err:
        raise CorpusError(f"{place}: {err.message}") from err
    except (KeyError, TypeError, ValueError, AttributeError, soundfile.LibsndfileError) as err:
        raise CorpusError(f"{place}: {type(err).__name__} {err}; expected file, text, speaker, seconds, corpus, set.") from err


def isolated_corpora(items: list[Item]) -> set[str]:
    """The corpora whose every utterance is a single word: those are joined to strings."""
    return {item.corpus for item in items} - {item.corpus for item in items if " " in item.text.strip()}


def read_audio(path: Path) -> np.ndarray:
    """float32 (num_samples,), mono, 16 kHz.

    Raises:
        CorpusError: the file is missing or no audio.
    """
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as err:
        raise CorpusError(f"{path} cannot be read as audio: {err}.") from err
    mono = audio.mean(axis=1)
    return mono if rate_hz == SAMPLE_RATE_HZ else np.asarray(soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ), np.float32)


class AudioShelf:
    """Decoded audio of utterances, kept as 16-bit samples so that each file is decoded once."""

    def __init__(self) -> None:
        self._shelf: dict[Path, np.ndarray] = {}

    def read(self, path: Path) -> np.ndarray:
        if path not in self._shelf:
            self._shelf[path] = np.clip(read_audio(path) * 32767, -32768, 32767).astype(np.int16)
        return self._shelf[path].astype(np.float32) / 32768
