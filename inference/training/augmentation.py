"""What speech meets on its way to a microphone: speed, rooms, noise, telephones, loudness, silence around it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr

from inference.audio import SAMPLE_RATE_HZ
from inference.training.corpus import read_audio
from inference.training.utterances import Utterance

ROOM_PREFIX: Final = "rir-"
"""Files of this name are impulse responses of rooms, the others noise."""
MULAW: Final = 255.0
PEAK: Final = 0.99


@dataclass(frozen=True, slots=True)
class AugmentationOptions:
    """Probabilities in 0 … 1; ranges are drawn from evenly. strength scales all probabilities and is raised during training."""

    speed: tuple[float, float] = (0.85, 1.2)
    room: float = 0.35
    noise: float = 0.65
    snr_db: tuple[float, float] = (4.0, 30.0)
    narrow_band: float = 0.35
    telephone: float = 0.35
    level_db: tuple[float, float] = (-38.0, -14.0)
    lead_s: tuple[float, float] = (0.05, 0.5)
    trail_s: tuple[float, float] = (0.1, 0.9)


@dataclass(frozen=True, slots=True)
class Backgrounds:
    """noises, rooms: float32 recordings at 16 kHz; either may be empty, then they are simulated only."""

    noises: tuple[np.ndarray, ...] = ()
    rooms: tuple[np.ndarray, ...] = ()


def read_backgrounds(folder: Path | None) -> Backgrounds:
    """The noises and room impulse responses of a folder of FLAC files; none where there is no such folder."""
    if folder is None or not folder.is_dir():
        return Backgrounds()
    paths = sorted(folder.glob("*.flac"))
    rooms = [read_audio(path) for path in paths if path.name.startswith(ROOM_PREFIX)]
    noises = [read_audio(path) for path in paths if not path.name.startswith(ROOM_PREFIX)]
    return Backgrounds(tuple(noises), tuple(room[: SAMPLE_RATE_HZ // 2] for room in rooms))


class Augmenter:
    def __init__(self, options: AugmentationOptions, backgrounds: Backgrounds) -> None:
        self._options = options
        self._backgrounds = backgrounds

    def augment(self, utterance: Utterance, strength: float, rng: np.random.Generator) -> Utterance:
        """The same words under other circumstances. strength: 0 leaves all but loudness and the silence around as it is."""
        options = self._options
        spoken = self._spaced(_at_speed(utterance, _about_one(options.speed, strength, rng)), rng)
        audio = spoken.audio
        steps: list[tuple[float, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = [
            (options.room, self._in_room),
            (options.noise, self._with_noise),
            (options.narrow_band, self._narrowed),
        ]
        for probability, step in steps:
            if rng.random() < probability * strength:
                audio = step(audio, rng)
        return Utterance(_at_level(audio, rng.uniform(*options.level_db)), spoken.words)

    def _spaced(self, utterance: Utterance, rng: np.random.Generator) -> Utterance:
        lead, trail = (int(rng.uniform(*span) * SAMPLE_RATE_HZ) for span in (self._options.lead_s, self._options.trail_s))
        faint = np.float32(10 ** (rng.uniform(-80, -55) / 20))
        floor = rng.standard_normal(lead + len(utterance.audio) + trail, dtype=np.float32) * faint
        floor[lead : lead + len(utterance.audio)] += utterance.audio
        return Utterance(floor, tuple(word.moved(lead / SAMPLE_RATE_HZ) for word in utterance.words))

    def _in_room(self, audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rooms = self._backgrounds.rooms
        response = rooms[int(rng.integers(len(rooms)))] if rooms and rng.random() < 0.3 else simulated_room(rng)
        direct = int(np.abs(response).argmax())
        return _convolved(audio, response)[direct : direct + len(audio)]

    def _with_noise(self, audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noises = self._backgrounds.noises
        recorded = noises and rng.random() < 0.7
        noise = _cut(noises[int(rng.integers(len(noises)))], len(audio), rng) if recorded else coloured_noise(len(audio), rng)
        snr_db = rng.uniform(*self._options.snr_db)
        share = np.sqrt((audio**2).mean() / ((noise**2).mean() + 1e-12)) * 10 ** (-snr_db / 20)
        return audio + noise * np.float32(share)

    def _narrowed(self, audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As a line of 8 kHz lets it through, sometimes through a telephone's companding too."""
        is_telephone = rng.random() < self._options.telephone
        low_hz = rng.uniform(150, 300) if is_telephone else 0.0
        narrow = _band(audio, low_hz, rng.uniform(3300, 4000))
        return _companded(narrow) if is_telephone else narrow


def simulated_room(rng: np.random.Generator) -> np.ndarray:
    """An impulse response: the direct sound, and noise behind it that dies away within 0.1 to 0.5 s."""
    reverberation_s = rng.uniform(0.1, 0.5)
    time_s = np.arange(int(reverberation_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / reverberation_s)
    tail[: int(rng.uniform(0.001, 0.008) * SAMPLE_RATE_HZ)] = 0.0
    response = tail * 10 ** (-rng.uniform(2, 14) / 20) / np.sqrt((tail**2).sum() + 1e-9)
    response[0] = 1.0
    return np.asarray(response, np.float32)


def coloured_noise(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Between white (slope 0) and brown (slope 1) noise."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    shaped = spectrum / np.maximum(np.arange(len(spectrum)), 20) ** rng.uniform(0, 1)
    return np.asarray(np.fft.irfft(shaped, num_samples), np.float32)


def _about_one(span: tuple[float, float], strength: float, rng: np.random.Generator) -> float:
    return float(1 + (rng.uniform(*span) - 1) * min(strength, 1.0))


def _at_speed(utterance: Utterance, speed: float) -> Utterance:
    """Faster and higher, or slower and lower, as a tape."""
    if abs(speed - 1) < 0.01:
        return utterance
    audio = np.asarray(soxr.resample(utterance.audio, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ, quality="LQ"), np.float32)
    return Utterance(audio, tuple(word.moved(0.0, speed) for word in utterance.words))


def _convolved(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    size = 1 << (len(audio) + len(response) - 2).bit_length()
    product = np.fft.rfft(audio, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(product, size)[: len(audio) + len(response) - 1], np.float32)


def _band(audio: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Only what lies between, with flanks of 100 Hz."""
    spectrum = np.fft.rfft(audio)
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE_HZ)
    passes = np.clip((high_hz - hz) / 100, 0, 1) * (np.clip((hz - low_hz) / 100, 0, 1) if low_hz else 1)
    return np.asarray(np.fft.irfft(spectrum * passes, len(audio)), np.float32)


def _companded(audio: np.ndarray) -> np.ndarray:
    """Through 8-bit mu-law and back. Source: ITU-T G.711 (continuous form)."""
    peak = float(np.abs(audio).max()) + 1e-9
    squeezed = np.sign(audio) * np.log1p(MULAW * np.abs(audio / peak)) / np.log1p(MULAW)
    rounded = np.round(squeezed * 127) / 127
    return np.asarray(peak * np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(MULAW)) / MULAW, np.float32)


def _cut(noise: np.ndarray, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """So much of it from a random place, going round at its end."""
    return np.take(noise, np.arange(num_samples) + int(rng.integers(len(noise))), mode="wrap")


def _at_level(audio: np.ndarray, level_db: float) -> np.ndarray:
    """Brought to a level (dB of full scale, root mean square), but never beyond full scale."""
    gain = 10 ** (level_db / 20) / (np.sqrt((audio**2).mean()) + 1e-9)
    return np.asarray(audio * min(gain, PEAK / (np.abs(audio).max() + 1e-9)), np.float32)
