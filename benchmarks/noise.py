"""Recorded background noise, and speech with it: what lies beside the speech in `noise/`, with a manifest of its own."""

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from benchmarks.speech import speech_folder
from inference.audio import SAMPLE_RATE_HZ, rms

FOLDER: Final = "noise"


@cache
def noises(folder: Path | None = None) -> dict[str, np.ndarray]:
    """float32 (num_samples,) at 16 kHz, by name; impulse responses are no noise."""
    place = (folder or speech_folder()) / FOLDER
    entries = [json.loads(line) for line in (place / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return {entry["id"]: _read(place / entry["file"]) for entry in entries if entry["type"] == "noise"}


def _read(path: Path) -> np.ndarray:
    audio, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == SAMPLE_RATE_HZ
    return np.asarray(audio)


def stretch(noise: np.ndarray, num_samples: int, name: str) -> np.ndarray:
    """`num_samples` of `noise`, round and round, from a place that `name` decides."""
    start = zlib.crc32(name.encode()) % len(noise)
    return np.take(noise, np.arange(start, start + num_samples), mode="wrap")


def with_noise(audio: np.ndarray, noise: np.ndarray, snr_db: float, name: str, *, before_s: float = 0.0) -> np.ndarray:
    """`audio` with noise behind it that is `snr_db` weaker, and `before_s` of the noise alone in front.

    Levels are those of the whole clip and of the noise that is used, pauses included. What is too loud is clipped.
    """
    num_before = int(before_s * SAMPLE_RATE_HZ)
    behind = stretch(noise, num_before + len(audio), name)
    gain = rms(audio) / max(rms(behind), 1e-9) * 10 ** (-snr_db / 20)
    mixed = behind * np.float32(gain)
    mixed[num_before:] += audio
    return np.asarray(mixed.clip(-1.0, 1.0), dtype=np.float32)
