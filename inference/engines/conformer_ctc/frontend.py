"""Log-mel of streams, chunk by chunk: the same numbers that `LogMel` says of the whole utterance.

What a stream has not used up of its audio it keeps here; the arithmetic is done for all streams of a batch together.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.engines.conformer_ctc.geometry import HALF_FRAME_SAMPLES, Geometry
from inference.features import FFT_SAMPLES, FRAME_SAMPLES, HOP_SAMPLES, LogMel, LogMelOptions

NOTHING_BEFORE: Final = np.zeros(HALF_FRAME_SAMPLES, dtype=np.float32)
"""The first frame lies around the first sample."""


class PendingAudio:
    """What one utterance has of audio beyond its last chunk, emphasised already, and the raw sample before what comes next.

    `_samples` begins where the next mel frame does.
    """

    __slots__ = ("_last", "_samples", "is_fresh")

    def __init__(self) -> None:
        self.is_fresh = True
        self._samples = NOTHING_BEFORE
        self._last = np.float32(0)

    def push(self, audio: np.ndarray, preemphasis: float) -> None:
        """audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1]."""
        if not len(audio):
            return
        num_before = len(self._samples)
        samples = np.empty(num_before + len(audio), dtype=np.float32)
        samples[:num_before] = self._samples
        emphasised = samples[num_before:]
        np.multiply(audio[:-1], np.float32(-preemphasis), out=emphasised[1:])
        emphasised[0] = self._last * np.float32(-preemphasis)
        emphasised += audio
        self._samples, self._last = samples, audio[-1]

    def has_chunk(self, geometry: Geometry) -> bool:
        return len(self._samples) >= _num_needed(self._num_new_frames(geometry))

    def complete(self, geometry: Geometry) -> None:
        """The audio is over: silence follows until the chunk is whole."""
        num_missing = _num_needed(self._num_new_frames(geometry)) - len(self._samples)
        if num_missing > 0:
            self._samples = np.pad(self._samples, (0, num_missing))

    def window(self, geometry: Geometry) -> np.ndarray:
        """What the next chunk hears: float32 (160 * chunk mel frames + 240,). The first one's virtual frames are silence."""
        num_virtual = geometry.num_virtual_mel_frames if self.is_fresh else 0
        window = self._samples[: _num_needed(geometry.chunk_mel_frames - num_virtual)]
        return np.pad(window, (num_virtual * HOP_SAMPLES, 0)) if num_virtual else window

    def pass_chunk(self, geometry: Geometry) -> None:
        """The chunk that `window` showed is recognised."""
        self._samples = self._samples[self._num_new_frames(geometry) * HOP_SAMPLES :]
        self.is_fresh = False

    def _num_new_frames(self, geometry: Geometry) -> int:
        return geometry.chunk_mel_frames - (geometry.num_virtual_mel_frames if self.is_fresh else 0)


class StreamingLogMel:
    """The features of chunks, for all rows of a batch."""

    def __init__(self, geometry: Geometry, options: LogMelOptions) -> None:
        whole = LogMel(options)
        self.geometry = geometry
        self.options = options
        self._filters = whole.filters
        self._window = whole.window

    def __call__(self, pending: Sequence[PendingAudio]) -> Tensor:
        """The next chunk of each, which is there: float32 (rows, chunk mel frames, mels), virtual frames being zeros."""
        audio = torch.from_numpy(np.stack([row.window(self.geometry) for row in pending]))
        frames = audio.unfold(1, FRAME_SAMPLES, HOP_SAMPLES) * self._window
        spectrum = torch.fft.rfft(frames, n=FFT_SAMPLES)
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        mel: Tensor = (power @ self._filters).add_(self.options.guard).log_()
        for row, audio_of_row in enumerate(pending):
            if audio_of_row.is_fresh:
                mel[row, : self.geometry.num_virtual_mel_frames] = 0.0
        return mel


def _num_needed(num_mel_frames: int) -> int:
    """Samples that so many mel frames hear together."""
    return (num_mel_frames - 1) * HOP_SAMPLES + FRAME_SAMPLES
