"""Speech of sentences that nobody has said, by espeak-ng and flite where they are installed: more letters, more strings."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from inference.audio import SAMPLE_RATE_HZ
from inference.training.corpus import MANIFEST, read_audio
from inference.training.errors import TrainingError
from inference.training.grammar import DIGITS, EDITS, TEENS, TENS

ESPEAK: Final = "espeak-ng"
FLITE: Final = "flite"
ESPEAK_VOICES: Final = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029", "en-gb-x-gbcwmd")
ESPEAK_VARIANTS: Final = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5")
FLITE_VOICES: Final = ("kal16", "awb", "rms", "slt")
LETTER_A: Final = {ESPEAK: "[['eI]]", FLITE: "A"}
SPELLING_WORDS: Final = frozenset((*EDITS, *DIGITS, *TENS, *TEENS))
TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Voice:
    """speed: 1 is the synthesiser's own; pitch: 0 to 99, of espeak-ng only."""

    program: str
    name: str
    speed: float
    pitch: int

    def command(self, text: str, path: Path) -> list[str]:
        written = _written(text, LETTER_A[self.program])
        if self.program == ESPEAK:
            return [ESPEAK, "-v", self.name, "-p", str(self.pitch), "-s", str(round(165 * self.speed)), "-w", str(path), written]
        stretch = f"duration_stretch={1 / self.speed:.2f}"
        return [FLITE, "-voice", self.name, "--setf", stretch, "-t", written, "-o", str(path)]


def programs() -> list[str]:
    """Raises TrainingError: neither is installed."""
    found = [program for program in (ESPEAK, FLITE) if shutil.which(program)]
    if not found:
        raise TrainingError(f"Neither {ESPEAK} nor {FLITE} is installed; expected one of them: apt-get install {ESPEAK} {FLITE}.")
    return found


def synthesise(sentences: list[str], folder: Path, seed: int) -> None:
    """Let voices drawn at random say `sentences`, into a corpus in `folder`.

    Raises:
        TrainingError: no synthesiser is installed, or it failed.
    """
    rng, available = np.random.default_rng(seed), programs()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        for number, text in enumerate(sentences):
            voice = _drawn_voice(available, rng)
            record = {"id": f"synthetic-{number}", "text": text, **_spoken(voice, text, folder, number)}
            manifest.write(json.dumps(record) + "\n")


def _drawn_voice(available: list[str], rng: np.random.Generator) -> Voice:
    program = available[int(rng.integers(len(available)))]
    speed, pitch = float(rng.uniform(0.8, 1.3)), int(rng.integers(20, 80))
    if program == FLITE:
        return Voice(FLITE, str(rng.choice(FLITE_VOICES)), speed, pitch)
    return Voice(ESPEAK, str(rng.choice(ESPEAK_VOICES)) + str(rng.choice(ESPEAK_VARIANTS)), speed, pitch)


def _spoken(voice: Voice, text: str, folder: Path, number: int) -> dict[str, object]:
    """The entries of the manifest that tell of the recording."""
    draft, path = folder / "draft.wav", folder / f"{number:05d}.flac"
    done = subprocess.run(voice.command(text, draft), capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise TrainingError(f"{voice.program} failed on {text!r}: {done.stderr.decode(errors='replace').strip()}")
    audio = read_audio(draft)
    draft.unlink()
    soundfile.write(path, audio, SAMPLE_RATE_HZ)
    return {
        "file": path.name,
        "speaker": f"{voice.program}-{voice.name}",
        "seconds": round(len(audio) / SAMPLE_RATE_HZ, 2),
        "set": "train",
        "corpus": "synthetic",
        "licence": "synthetic speech, no rights of a speaker",
    }


def _written(text: str, letter_a: str) -> str:
    """As a synthesiser has to be told: letters in capitals, and the letter `a` as no article."""
    words = text.split()
    return " ".join(_letter(word, letter_a) if _is_letter(words, place) else word for place, word in enumerate(words))


def _letter(word: str, letter_a: str) -> str:
    return letter_a if word == "a" else word.upper()


def _is_letter(words: list[str], place: int) -> bool:
    """Whether it is a letter of a spelling: an `a` has others, or a command or number, beside it, but no word of an order."""
    beside = words[max(place - 1, 0) : place] + words[place + 1 : place + 2]
    return len(words[place]) == 1 and (words[place] != "a" or any(len(word) == 1 or word in SPELLING_WORDS for word in beside))
