"""How fast audio comes by the clock, and whether it sounds slowed down: a wrong sample rate shows in both."""

from typing import Final

import numpy as np

RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
NEAR: Final = 0.025
MIN_S: Final = 2.0
MIN_ARRIVALS: Final = 8
MAX_ARRIVALS: Final = 400
LOOK_EVERY: Final = 4
ROUND_SPEEDS: Final = (2.0, 3.0, 4.0)
"""At these a program may play a file on purpose: then the clock alone proves nothing."""
LOW_PITCH_HZ: Final = 78
"""No speaker of the speech set speaks as low; voices at a third of their speed do, mostly."""
LOW_CENTRE_HZ: Final = 470
"""The same for the middle of the spectrum, in which one clip in a hundred lies lower."""
HIGH_PITCH_HZ, HIGH_CENTRE_HZ = 200, 1_050
"""Speech at two thirds of its speed does not reach both."""
SLOW_VOICE_HZ: Final = 150
PITCH_FRAME_S: Final = 0.1
SPECTRUM_SAMPLES: Final = 512
VOICED: Final = 0.6
LOUD: Final = 0.01


class Cadence:
    """Arrivals of one stream."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._received_s: list[float] = []

    def add(self, now_s: float, duration_s: float) -> None:
        """duration_s: of the audio that came at `now_s`, by the rate that the client says."""
        if len(self._times_s) < MAX_ARRIVALS:
            self._times_s.append(now_s)
            self._received_s.append(duration_s + (self._received_s[-1] if self._received_s else 0.0))

    @property
    def speed(self) -> float | None:
        """Seconds of audio in a second, where they come steadily; None: not known yet, or not steady."""
        if len(self._times_s) % LOOK_EVERY:
            return None
        times, received = np.array(self._times_s), np.array(self._received_s)
        if len(times) < MIN_ARRIVALS or times[-1] - times[0] < MIN_S:
            return None
        middle = len(times) // 2
        halves = [_slope(times[:middle], received[:middle]), _slope(times[middle:], received[middle:])]
        whole = _slope(times, received)
        gaps = np.diff(times)
        is_steady = gaps.max() < 4 * np.median(gaps) + 0.05 and all(abs(half / whole - 1) < 2 * NEAR for half in halves)
        return whole if is_steady else None


def _slope(times: np.ndarray, received: np.ndarray) -> float:
    """Of the line that fits best."""
    centred = times - times.mean()
    spread = float(np.dot(centred, centred))
    return max(1e-9, float(np.dot(centred, received)) / spread) if spread else float("inf")


class Voice:
    """Pitch and spectrum of what was loud so far."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._pitches_hz: list[float] = []
        self._power = np.zeros(SPECTRUM_SAMPLES // 2 + 1)

    def add(self, audio: np.ndarray) -> None:
        """Mono float32 (num_samples,)."""
        frames = _frames(audio, SPECTRUM_SAMPLES)
        loud = frames[np.sqrt((frames**2).mean(axis=1)) > LOUD] if len(frames) else frames
        self._power += (np.abs(np.fft.rfft(loud * np.hanning(SPECTRUM_SAMPLES))) ** 2).sum(axis=0)
        for frame in _frames(audio, round(self._rate_hz * PITCH_FRAME_S)):
            if float(frame.std()) > LOUD and (pitch_hz := _pitch_hz(frame, self._rate_hz)) is not None:
                self._pitches_hz.append(pitch_hz)

    @property
    def pitch_hz(self) -> float | None:
        return float(np.median(self._pitches_hz)) if len(self._pitches_hz) >= 3 else None

    @property
    def centre_hz(self) -> float | None:
        """Mean frequency on a logarithmic scale, by amplitude."""
        weights = np.sqrt(self._power[2:])
        if not weights.sum():
            return None
        scale = np.log(np.arange(2, len(self._power)) * (self._rate_hz / SPECTRUM_SAMPLES))
        return float(np.exp(np.dot(weights, scale) / weights.sum()))

    def fits(self, speed: float) -> bool:
        """Whether it may be speech that was slowed down (speed over 1: too few samples a second are assumed) or sped up."""
        pitch_hz, centre_hz = self.pitch_hz, self.centre_hz
        if centre_hz is None:
            return False
        if speed < 1:
            return pitch_hz is None or pitch_hz > SLOW_VOICE_HZ
        if any(abs(speed / played - 1) < NEAR for played in ROUND_SPEEDS):
            return centre_hz < LOW_CENTRE_HZ or (pitch_hz is not None and pitch_hz < LOW_PITCH_HZ)
        return centre_hz < HIGH_CENTRE_HZ and (pitch_hz is None or pitch_hz < HIGH_PITCH_HZ)


def rate_of(speed: float, declared_hz: int) -> int | None:
    """The sample rate that would make `speed` the pace of speech; None: the declared one, or none that is used."""
    rate_hz = min(RATES_HZ, key=lambda rate_hz: abs(speed * declared_hz / rate_hz - 1))
    is_near = abs(speed * declared_hz / rate_hz - 1) < NEAR
    return rate_hz if is_near and rate_hz != declared_hz and abs(speed - 1) > 4 * NEAR else None


def _frames(audio: np.ndarray, num_samples: int) -> np.ndarray:
    return audio[: len(audio) // num_samples * num_samples].reshape(-1, num_samples)


def _pitch_hz(frame: np.ndarray, rate_hz: int) -> float | None:
    """By autocorrelation, 23 to 400 Hz; None where nothing repeats."""
    shortest, longest = rate_hz // 400, min(rate_hz // 23, len(frame) // 2)
    spectrum = np.fft.rfft(frame - frame.mean(), 2 * len(frame))
    alike = np.fft.irfft(np.abs(spectrum) ** 2)[:longest]
    alike = alike / max(float(alike[0]), 1e-12) / (1 - np.arange(longest) / len(frame))
    lag = shortest + int(np.argmax(alike[shortest:]))
    return rate_hz / lag if alike[lag] > VOICED else None
