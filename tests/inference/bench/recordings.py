"""Recordings that the scripted engine understands."""

from pathlib import Path

import numpy as np
import soundfile

from inference.engines.fake import speak


def write_speech(folder: Path, *texts: str, rate_hz: int = 16_000) -> Path:
    """A WAV file for each of `texts`: 0.wav, 1.wav, …"""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        audio = np.repeat(speak(text), rate_hz // 16_000)
        soundfile.write(folder / f"{number}.wav", audio, rate_hz, subtype="FLOAT")
    return folder
