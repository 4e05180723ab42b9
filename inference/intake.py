"""What comes in of a stream, made into samples at 16 kHz: decoded, resampled, and free of noise where that is wished for.

Nothing is kept here but what filters hold back. Frames are counted in the stream's own rate, samples at 16 kHz.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from inference import denoise
from inference.audio import (
    SAMPLE_BYTES,
    SAMPLE_RATE_HZ,
    Resampler,
    decode_pcm,
    first_frame_at,
    first_sample_at,
    num_samples_of,
)
from inference.denoise import Denoiser
from inference.messages import StreamOptions

NO_AUDIO: Final = np.zeros(0, dtype=np.float32)


class AudioIntake:
    """Args:
    options: what the audio is; of these none can change later.
    first: the sample that the first frame to come belongs to.

    `has_16_bits`: nothing stands between samples of 16 bits and what is handed on, which is int16 then.
    """

    __slots__ = ("_denoiser", "_num_frames", "_num_resampled", "_options", "_resampler", "has_16_bits")

    def __init__(self, options: StreamOptions, first: int) -> None:
        self._options = options
        self._num_frames = first_frame_at(first, options.sample_rate_hz)
        self._num_resampled = first
        self._resampler = Resampler(options.sample_rate_hz)
        self._denoiser = Denoiser() if options.denoise and denoise.is_available() else None
        is_plain = options.encoding == "pcm_s16le" and options.num_channels == 1 and options.sample_rate_hz == SAMPLE_RATE_HZ
        self.has_16_bits = is_plain and self._denoiser is None

    @property
    def is_denoised(self) -> bool:
        return self._denoiser is not None

    def push(self, payload: bytes) -> np.ndarray:
        """Audio in the stream's own encoding, whole frames only, to float32 or int16 (num_samples,)."""
        encoding, num_channels = self._options.encoding, self._options.num_channels
        frame_bytes = SAMPLE_BYTES[encoding] * num_channels
        assert len(payload) % frame_bytes == 0
        self._num_frames += len(payload) // frame_bytes
        if self.has_16_bits:
            self._num_resampled += len(payload) // frame_bytes
            return np.frombuffer(payload, dtype="<i2")
        return self._clean(self._resample(decode_pcm(payload, encoding, num_channels)))

    def skip(self, num_frames: int) -> tuple[int, int]:
        """Count frames that do not come. Returns the samples [first, end) that they belong to, in part or wholly."""
        rate_hz = self._options.sample_rate_hz
        first = self._num_frames * SAMPLE_RATE_HZ // rate_hz
        self._num_frames += num_frames
        return first, first_sample_at(self._num_frames, rate_hz)

    def silence(self, num_frames: int) -> Iterator[np.ndarray]:
        """What stands for frames that were skipped, float32, a second at a time; the denoiser does not hear it."""
        rate_hz = self._options.sample_rate_hz
        for start in range(0, num_frames, rate_hz):
            yield self._resample(np.zeros(min(rate_hz, num_frames - start), dtype=np.float32))

    def restart(self, first: int) -> None:
        """Nothing stands for frames that were skipped: what comes next belongs to the sample `first`."""
        self._resampler = Resampler(self._options.sample_rate_hz)
        self._num_resampled = first

    def catch_up(self) -> np.ndarray:
        """What the denoiser still holds back, float32."""
        return NO_AUDIO if self._denoiser is None else self._denoiser.catch_up()

    def finish(self) -> np.ndarray:
        """What the resampler still holds, float32, so that the whole is as long as if the stream had never been taken up at a
        checkpoint."""
        audio = self._resampler.push(NO_AUDIO, is_last=True)
        num_due = max(0, num_samples_of(self._num_frames, self._options.sample_rate_hz) - self._num_resampled)
        self._num_resampled += num_due
        return self._clean(np.pad(audio[:num_due], (0, num_due - len(audio[:num_due]))))

    def _resample(self, audio: np.ndarray) -> np.ndarray:
        resampled = self._resampler.push(audio)
        self._num_resampled += len(resampled)
        return resampled

    def _clean(self, audio: np.ndarray) -> np.ndarray:
        return audio if self._denoiser is None else self._denoiser.push(audio)
