"""A toy language for tests of training: each of its words is a tone of its own, said by speakers that no one has met."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Loss:
    frames: float
    ctc: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """A network that knows the toy language; its losses at the first step, at the last of the warm start, and at the last."""

    network: ConformerCtc
    first: Loss
    warm: Loss
    last: Loss


TONES_HZ = {"ab": 400.0, "cd": 900.0, "ef": 1900.0}
TINY = EncoderConfig(
    num_mels=40, d_model=32, num_layers=2, num_heads=4, subsampling=4, subsampling_channels=8, contexts=((10, 4), (10, 1))
)


def word_audio(word: str, seconds: float = 0.3, level: float = 0.2) -> np.ndarray:
    """float32 (num_samples,): the word's tone, a tenth of a second of silence on either side."""
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    silence = np.zeros(SAMPLE_RATE_HZ // 10, dtype=np.float32)
    tone = (level * np.sin(2 * np.pi * TONES_HZ[word] * time_s)).astype(np.float32)
    return np.concatenate([silence, tone, silence])


def write_corpus(folder: Path, entries: list[tuple[str, str, str]], corpus: str = "toy") -> Path:
    """A corpus of (text, speaker, set). Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (text, speaker, kind) in enumerate(entries):
        audio = np.concatenate([word_audio(word) for word in text.split()])
        soundfile.write(folder / f"{number}.flac", audio, SAMPLE_RATE_HZ)
        record = {"id": f"{corpus}-{number}", "file": f"{number}.flac", "text": text, "speaker": speaker, "set": kind}
        lines.append(json.dumps({**record, "corpus": corpus, "seconds": round(len(audio) / SAMPLE_RATE_HZ, 2)}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def word_corpus(folder: Path) -> Path:
    """Each word once by one speaker, and once by another who is held out."""
    words = list(TONES_HZ)
    return write_corpus(folder, [*((word, "ann", "train") for word in words), *((word, "bob", "dev") for word in words)])


def tiny_recipe(**changes: object) -> Recipe:
    small = Recipe(
        encoder=TINY,
        num_steps=90,
        lead_steps=0,
        warm_steps=60,
        fade_steps=5,
        calm_steps=0,
        batch_s=3.0,
        peak_rate=8e-3,
        ramp_steps=5,
        dropout=0.0,
        early_layer=1,
        average_decay=0.9,
        num_time_masks=0,
        num_band_masks=0,
        is_augmented=False,
    )
    return replace(small, **changes)  # type: ignore[arg-type]  # the fields of Recipe
