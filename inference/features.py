"""Spectral features of 16 kHz audio for models and for users: log-mel and MFCC, 25 ms frames every 10 ms.

Whisper's own log-mel, which scales by the loudest frame of a window, stays with its engine.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from inference import torchaudio_compat
from inference.audio import SAMPLE_RATE_HZ, SAMPLES_PER_MS

FRAME_SAMPLES: Final = 25 * SAMPLES_PER_MS
HOP_SAMPLES: Final = 10 * SAMPLES_PER_MS
FFT_SAMPLES: Final = 512
MelScale = Literal["slaney", "htk"]


@dataclass(frozen=True, slots=True)
class LogMelOptions:
    """The defaults are those of NeMo's streaming Conformers.

    preemphasis: the share of the sample before that is taken off each; 0 for none. guard: added to the power before the
    logarithm. has_area_norm: each filter's weights are divided by its width.
    Source: NVIDIA/NeMo `nemo/collections/asr/parts/preprocessing/features.py` (FilterbankFeatures), Apache-2.0.
    """

    num_mels: int = 80
    mel_scale: MelScale = "slaney"
    has_area_norm: bool = True
    preemphasis: float = 0.97
    guard: float = 2.0**-24
    low_hz: float = 0.0
    high_hz: float = SAMPLE_RATE_HZ / 2


class LogMel:
    """Log-mel of whole windows, centred frames: frame n lies around sample 160 * n, with zeros beyond the ends."""

    def __init__(self, options: LogMelOptions | None = None) -> None:
        self.options = options or LogMelOptions()
        self.filters: Tensor = torchaudio_compat.functional.melscale_fbanks(
            FFT_SAMPLES // 2 + 1,
            self.options.low_hz,
            self.options.high_hz,
            self.options.num_mels,
            SAMPLE_RATE_HZ,
            norm="slaney" if self.options.has_area_norm else None,
            mel_scale=self.options.mel_scale,
        )
        self.window = torch.hann_window(FRAME_SAMPLES, periodic=False)

    def __call__(self, audio: Tensor) -> Tensor:
        """Natural logarithm of the mel power.

        Args:
            audio: float32 (..., num_samples), mono, 16 kHz, in [-1, 1].

        Returns:
            float32 (..., mels, num_samples // 160 + 1).
        """
        return (self._mel_power(audio) + self.options.guard).log()

    def _mel_power(self, audio: Tensor) -> Tensor:
        emphasised = _preemphasised(audio, self.options.preemphasis)
        flat = emphasised.reshape(-1, emphasised.shape[-1])
        spectrum = torch.stft(
            flat,
            FFT_SAMPLES,
            HOP_SAMPLES,
            FRAME_SAMPLES,
            self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        power = spectrum.abs().square()
        return (self.filters.T @ power).reshape(*emphasised.shape[:-1], self.options.num_mels, -1)


class Mfcc:
    """Cepstral coefficients: the cosine transform of a log-mel. No liftering, coefficient 0 included."""

    def __init__(self, num_coefficients: int = 13, options: LogMelOptions | None = None) -> None:
        self.log_mel = LogMel(options or LogMelOptions(num_mels=40, preemphasis=0.0, guard=1e-10))
        self.transform: Tensor = torchaudio_compat.functional.create_dct(
            num_coefficients, self.log_mel.options.num_mels, norm="ortho"
        )

    def __call__(self, audio: Tensor) -> Tensor:
        """Args:
            audio: float32 (..., num_samples), mono, 16 kHz, in [-1, 1].

        Returns:
            float32 (..., coefficients, num_samples // 160 + 1).
        """
        coefficients: Tensor = self.transform.T @ self.log_mel(audio)
        return coefficients


def _preemphasised(audio: Tensor, share: float) -> Tensor:
    """Each sample less `share` of the one before; the first stays as it is."""
    return torch.cat([audio[..., :1], audio[..., 1:] - share * audio[..., :-1]], dim=-1)
