"""Whisper's log-mel features: 25 ms frames every 10 ms, log10, floored 8 below the loudest and scaled.

Source: openai/whisper `whisper/audio.py` (`log_mel_spectrogram`), MIT.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inference import torchaudio_compat
from inference.audio import SAMPLE_RATE_HZ
from inference.engines.arithmetic import CPU

FRAME_SAMPLES = 400
HOP_SAMPLES = 160
SAMPLES_PER_ENCODER_FRAME = 2 * HOP_SAMPLES
MS_PER_ENCODER_FRAME = 1000 * SAMPLES_PER_ENCODER_FRAME // SAMPLE_RATE_HZ
DYNAMIC_RANGE = 8.0


class LogMel:
    """Turns windows into features. Holds the mel filters (201, mels) and the analysis window, on `device`."""

    def __init__(self, num_mels: int, device: torch.device = CPU) -> None:
        self.device = device
        self.filters = torchaudio_compat.functional.melscale_fbanks(
            FRAME_SAMPLES // 2 + 1, 0.0, SAMPLE_RATE_HZ / 2, num_mels, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
        ).to(device)
        self.window = torch.hann_window(FRAME_SAMPLES, device=device)

    def of_batch(self, windows: Sequence[np.ndarray]) -> list[Tensor]:
        """float32 (num_samples / 160, mels) of each window: one by one on a processor, all in one call on a GPU."""
        return [self(audio).T for audio in windows] if self.device.type == "cpu" else self.all_at_once(windows)

    def __call__(self, audio: np.ndarray) -> Tensor:
        """Features of one window.

        Args:
            audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1]; num_samples is a multiple of 320.

        Returns:
            float32 (mels, num_samples / 160).
        """
        samples = torch.from_numpy(audio).to(self.device)
        spectrum = torch.stft(samples, FRAME_SAMPLES, HOP_SAMPLES, window=self.window, return_complex=True)
        log_mel = self._log_mel(spectrum[:, :-1])
        return _scaled(log_mel, log_mel.max())

    def all_at_once(self, windows: Sequence[np.ndarray]) -> list[Tensor]:
        """Each window mirrored at its own ends, as `torch.stft` does for one, and then padded to the longest."""
        mirrored = [np.pad(audio, FRAME_SAMPLES // 2, mode="reflect") for audio in windows]
        samples = np.zeros((len(windows), max(map(len, mirrored))), dtype=np.float32)
        for row, audio in zip(samples, mirrored, strict=True):
            row[: len(audio)] = audio
        batch = torch.from_numpy(samples).to(self.device)
        spectrum = torch.stft(batch, FRAME_SAMPLES, HOP_SAMPLES, window=self.window, center=False, return_complex=True)
        log_mel = self._log_mel(spectrum)
        lengths = [len(audio) // HOP_SAMPLES for audio in windows]
        beyond = torch.from_numpy(np.arange(log_mel.shape[2]) >= np.array(lengths)[:, None, None]).to(self.device)
        loudest = log_mel.masked_fill(beyond, -torch.inf).amax(dim=(1, 2), keepdim=True)
        return [mel[:, :length].T for mel, length in zip(_scaled(log_mel, loudest), lengths, strict=True)]

    def _log_mel(self, spectrum: Tensor) -> Tensor:
        """(…, 201, frames) → (…, mels, frames)."""
        power = spectrum.abs().square()
        result: Tensor = (self.filters.T @ power).clamp(min=1e-10).log10()
        return result


def _scaled(log_mel: Tensor, loudest: Tensor) -> Tensor:
    return (log_mel.clamp(min=loudest - DYNAMIC_RANGE) + 4.0) / 4.0
