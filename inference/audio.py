"""Raw samples in, mono float32 at 16 kHz out; and the clock every other module counts in. Pure numpy and soxr."""

from typing import Final

import numpy as np
import soxr

from inference.messages import Encoding

SAMPLE_RATE_HZ: Final = 16_000
SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
FULL_SCALE_16: Final = 32_768
SAMPLE_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


def _mulaw_table() -> np.ndarray:
    """float32 (256,): what each code of mu-law stands for. Source: ITU-T G.711 (11/88), table 2 (decoder output)."""
    code = ~np.arange(256, dtype=np.uint8)  # sent inverted
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((2 * mantissa + 33) << exponent) - 33  # of 14 bits
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float32) / 8192.0


def _alaw_table() -> np.ndarray:
    """float32 (256,): what each code of A-law stands for. Source: ITU-T G.711 (11/88), table 1 (decoder output)."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55  # sent with every other bit inverted
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    linear = 2 * mantissa + 1  # the two lowest steps are of one size
    magnitude = np.where(exponent == 0, linear, (linear + 32) << np.maximum(exponent - 1, 0))  # of 13 bits
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float32) / 4096.0


_TELEPHONE_TABLES: Final[dict[str, np.ndarray]] = {"mulaw": _mulaw_table(), "alaw": _alaw_table()}


def to_ms(num_samples: int) -> int:
    """Whole milliseconds in `num_samples` at 16 kHz."""
    return num_samples // SAMPLES_PER_MS


def to_samples(duration_ms: int) -> int:
    return duration_ms * SAMPLES_PER_MS


def first_frame_at(sample: int, rate_hz: int) -> int:
    """The first frame, of a stream that has `rate_hz`, that does not lie before `sample` at 16 kHz."""
    return -(-sample * rate_hz // SAMPLE_RATE_HZ)


def first_sample_at(frame: int, rate_hz: int) -> int:
    """The first sample at 16 kHz that does not lie before `frame` of a stream that has `rate_hz`."""
    return -(-frame * SAMPLE_RATE_HZ // rate_hz)


def num_samples_of(num_frames: int, rate_hz: int) -> int:
    """What `num_frames` at `rate_hz` are at 16 kHz: as many as the resampler makes of them."""
    return (2 * num_frames * SAMPLE_RATE_HZ + rate_hz) // (2 * rate_hz)


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
    elif encoding in _TELEPHONE_TABLES:
        audio = _TELEPHONE_TABLES[encoding][np.frombuffer(payload, dtype=np.uint8)]
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
