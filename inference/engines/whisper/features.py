"""Whisper's log-mel features: 25 ms frames every 10 ms, log10, floored 8 below the loudest and scaled.

Source: openai/whisper `whisper/audio.py` (`log_mel_spectrogram`), MIT.
"""

import numpy as np
import torch
from torch import Tensor

from inference import torchaudio_compat
from inference.audio import SAMPLE_RATE_HZ

FRAME_SAMPLES = 400
HOP_SAMPLES = 160
SAMPLES_PER_ENCODER_FRAME = 2 * HOP_SAMPLES
MS_PER_ENCODER_FRAME = 1000 * SAMPLES_PER_ENCODER_FRAME // SAMPLE_RATE_HZ
DYNAMIC_RANGE = 8.0


class LogMel:
    """Turns windows into features. Holds the mel filters (201, mels) and the analysis window."""

    def __init__(self, num_mels: int) -> None:
        self.filters = torchaudio_compat.functional.melscale_fbanks(
            FRAME_SAMPLES // 2 + 1, 0.0, SAMPLE_RATE_HZ / 2, num_mels, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
        )
        self.window = torch.hann_window(FRAME_SAMPLES)

    def __call__(self, audio: np.ndarray) -> Tensor:
        """Features of one window.

        Args:
            audio: float32 (num_samples,), mono, 16 kHz, in [-1, 1]; num_samples is a multiple of 320.

        Returns:
            float32 (mels, num_samples / 160).
        """
        spectrum = torch.stft(torch.from_numpy(audio), FRAME_SAMPLES, HOP_SAMPLES, window=self.window, return_complex=True)
        power = spectrum[:, :-1].abs().square()
        log_mel = (self.filters.T @ power).clamp(min=1e-10).log10()
        features: Tensor = (log_mel.clamp(min=log_mel.max() - DYNAMIC_RANGE) + 4.0) / 4.0
        return features
