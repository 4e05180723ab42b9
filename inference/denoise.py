"""RNNoise on a live stream: 16 kHz in, the same number of 16 kHz samples out, in time with what went in.

RNNoise works at 48 kHz in frames of 10 ms, so the stream is interpolated by 3, cleaned and decimated by 3. Both filters are
the same symmetric one, so what the chain delays is a whole number of samples and is taken back here: sample n that comes out
belongs to sample n that went in. A finalize or the end lets a copy of the chain run on into silence to get at the samples
that it still holds; the chain itself goes on as if nothing had been asked.

Only the native library of the package pyrnnoise is used, none of its Python: see docs/decisions/0008.
"""

import copy
import ctypes
import importlib.util
import logging
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

logger = logging.getLogger(__name__)

FACTOR: Final = 3
"""From 16 kHz to 48 kHz."""
FRAME_48K_SAMPLES: Final = 480
FULL_SCALE: Final = 32_768.0
"""RNNoise counts in 16-bit steps."""
HALF_TAPS: Final = 32
"""Of the filter, at 16 kHz on each side: flat to 7.4 kHz, 80 dB down from 8.7 kHz on."""
KAISER_BETA: Final = 8.0
RNNOISE_DELAY_SAMPLES: Final = 320
"""20 ms at 16 kHz: one frame of overlap, one of look-ahead. Source: xiph/rnnoise `src/denoise.c`, BSD-3-Clause; and measured."""
DELAY_SAMPLES: Final = RNNOISE_DELAY_SAMPLES + 2 * HALF_TAPS
LIBRARIES: Final = {"linux": "librnnoise.so", "darwin": "librnnoise.dylib", "win32": "rnnoise.dll"}


@cache
def native() -> ctypes.CDLL | None:
    """RNNoise, or None where the package has no build for this platform or is not installed."""
    spec = importlib.util.find_spec("pyrnnoise")
    if spec is None or spec.origin is None or sys.platform not in LIBRARIES:
        return None
    try:
        rnnoise = ctypes.CDLL(str(Path(spec.origin).with_name(LIBRARIES[sys.platform])))
    except OSError as err:
        logger.warning("RNNoise cannot be loaded, so denoise is not available: %s", err)
        return None
    rnnoise.rnnoise_init.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    rnnoise.rnnoise_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    rnnoise.rnnoise_process_frame.restype = ctypes.c_float
    assert rnnoise.rnnoise_get_frame_size() == FRAME_48K_SAMPLES
    return rnnoise


def is_available() -> bool:
    """Whether RNNoise can be used on this machine."""
    return native() is not None


def _low_pass() -> np.ndarray:
    """Windowed sinc at 48 kHz, 6 dB down at 8 kHz: float32 (195,), sum 1, symmetric about entry 96; the last two are 0."""
    places = np.arange(-FACTOR * HALF_TAPS, FACTOR * HALF_TAPS + 1)
    taps = np.sinc(places / FACTOR) * np.kaiser(len(places), KAISER_BETA)
    return np.pad(taps / taps.sum(), (0, FACTOR - 1)).astype(np.float32)


TAPS: Final = _low_pass()
NUM_PAST: Final = 2 * HALF_TAPS
"""Samples at 16 kHz that a filter looks back on."""


@dataclass(slots=True)
class Interpolator:
    """16 kHz to 48 kHz, `HALF_TAPS` samples late."""

    _past: np.ndarray = field(default_factory=lambda: np.zeros(NUM_PAST, dtype=np.float32))

    def push(self, audio: np.ndarray) -> np.ndarray:
        """float32 (num_samples,) to float32 (3 * num_samples,); num_samples is at least 1."""
        known = np.concatenate([self._past, audio])
        self._past = known[-NUM_PAST:]
        phases = [np.convolve(known, FACTOR * TAPS[phase::FACTOR], "valid") for phase in range(FACTOR)]
        return np.stack(phases, axis=1).reshape(-1)


@dataclass(slots=True)
class Decimator:
    """48 kHz to 16 kHz, `HALF_TAPS` samples late."""

    _past: np.ndarray = field(default_factory=lambda: np.zeros(len(TAPS) - 1, dtype=np.float32))

    def push(self, audio: np.ndarray) -> np.ndarray:
        """float32 (3 * num_samples,) to float32 (num_samples,); num_samples is at least 1."""
        known = np.concatenate([self._past, audio])
        self._past = known[len(audio) :]
        num_columns = len(audio) // FACTOR + NUM_PAST
        # Sample m that comes out is the sum over k of TAPS[k] * audio[3 * m - k].
        columns = [known[FACTOR - 1 - phase :: FACTOR][:num_columns] for phase in range(FACTOR)]
        sums = [np.convolve(column, TAPS[phase::FACTOR], "valid") for phase, column in enumerate(columns)]
        return np.asarray(sum(sums), dtype=np.float32)


def _fresh_state() -> np.ndarray:
    rnnoise = native()
    assert rnnoise is not None, "RNNoise is not available; ask is_available() first"
    state = np.zeros(rnnoise.rnnoise_get_size(), dtype=np.uint8)
    rnnoise.rnnoise_init(state.ctypes.data, None)
    return state


@dataclass(slots=True)
class Denoiser:
    """The chain of one stream. Belongs to one thread. Only where `is_available()`.

    `_state` is RNNoise's whole state, plain memory without pointers into itself, so that a copy of it is a second denoiser.
    """

    _interpolator: Interpolator = field(default_factory=Interpolator)
    _decimator: Decimator = field(default_factory=Decimator)
    _state: np.ndarray = field(default_factory=_fresh_state)
    _waiting_48k: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    _num_ahead: int = DELAY_SAMPLES
    _num_held: int = 0

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Clean the next samples, float32 (num_samples,) in [-1, 1] at 16 kHz.

        Returns:
            The next cleaned samples, float32, up to 34 ms behind what was pushed.
        """
        self._num_held += len(audio)
        cleaned = self._advance(audio)
        num_known = min(self._num_ahead, len(cleaned))
        self._num_ahead -= num_known
        self._num_held -= len(cleaned) - num_known
        return cleaned[num_known:]

    def catch_up(self) -> np.ndarray:
        """The samples that are still held back, float32; after it as many came out as were pushed, and more may be pushed."""
        num_held = self._num_held
        silence = np.zeros(DELAY_SAMPLES + FRAME_48K_SAMPLES // FACTOR, dtype=np.float32)
        tail = copy.deepcopy(self).push(silence)[:num_held]
        self._num_ahead += num_held
        self._num_held = 0
        return tail

    def _advance(self, audio: np.ndarray) -> np.ndarray:
        """What the chain makes of `audio`, late and in whole frames."""
        if not len(audio):
            return audio
        upsampled = np.concatenate([self._waiting_48k, self._interpolator.push(audio) * FULL_SCALE])
        num_frames = len(upsampled) // FRAME_48K_SAMPLES
        frames, self._waiting_48k = np.split(upsampled, [num_frames * FRAME_48K_SAMPLES])
        if not num_frames:
            return np.zeros(0, dtype=np.float32)
        _clean(self._state, frames, num_frames)
        return self._decimator.push(frames / FULL_SCALE)


def _clean(state: np.ndarray, frames: np.ndarray, num_frames: int) -> None:
    """Run RNNoise over `num_frames` frames, in place."""
    rnnoise = native()
    assert rnnoise is not None
    frame_bytes = FRAME_48K_SAMPLES * frames.itemsize
    for number in range(num_frames):
        place = frames.ctypes.data + number * frame_bytes
        rnnoise.rnnoise_process_frame(state.ctypes.data, place, place)
