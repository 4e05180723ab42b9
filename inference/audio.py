"""Raw samples in, mono float32 at 16 kHz out; and the clock every other module counts in. Pure numpy and soxr."""

from typing import Final

import numpy as np
import soxr

from inference.messages import Encoding

SAMPLE_RATE_HZ: Final = 16_000
SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
SAMPLE_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4}


def to_ms(num_samples: int) -> int:
    """Whole milliseconds in `num_samples` at 16 kHz."""
    return num_samples // SAMPLES_PER_MS


def to_samples(duration_ms: int) -> int:
    return duration_ms * SAMPLES_PER_MS


def rms(audio: np.ndarray) -> float:
    """Level of float32 (num_samples,): its root mean square, 0 to 1."""
    return float(np.sqrt(np.dot(audio, audio) / len(audio)))


def decode_pcm(payload: bytes, encoding: Encoding, num_channels: int) -> np.ndarray:
    """Mono samples of `payload`.

    Args:
        payload: whole interleaved frames in `encoding`.

    Returns:
        float32 (num_frames,) in [-1, 1]; NaN and infinity become 0, louder floats are clipped.
    """
    if encoding == "pcm_s16le":
        audio = np.frombuffer(payload, dtype="<i2").astype(np.float32) / 32768.0
    else:
        audio = np.frombuffer(payload, dtype="<f4")
        if not np.isfinite(audio).all():  # looking first is a third of the work of mending
            audio = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
        audio = audio.clip(-1.0, 1.0)
    return audio if num_channels == 1 else audio.reshape(-1, num_channels).mean(axis=1)


class Resampler:
    """Streaming conversion to 16 kHz: the pieces joined are the whole converted at once."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._stream = None if sample_rate_hz == SAMPLE_RATE_HZ else soxr.ResampleStream(sample_rate_hz, SAMPLE_RATE_HZ, 1)

    def push(self, audio: np.ndarray, *, is_last: bool = False) -> np.ndarray:
        """Convert the next float32 (num_samples,); `is_last` also gives what the filter still holds."""
        if self._stream is None:
            return audio
        return np.asarray(self._stream.resample_chunk(audio, last=is_last), dtype=np.float32)
