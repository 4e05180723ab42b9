"""Log-mel features against a plain numpy reference."""

import numpy as np
import pytest

from inference.engines.whisper.features import LogMel
from tests.speech import clips


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1000) / 1000) * 27 / np.log(6.4))


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27))


def reference_filters(num_mels: int) -> np.ndarray:
    """Triangles of equal area, (mels, 201)."""
    edges_hz = mel_to_hz(np.linspace(0, hz_to_mel(np.array(8000.0)), num_mels + 2))
    bins_hz = np.linspace(0, 8000, 201)
    filters = np.zeros((num_mels, 201))
    for mel in range(num_mels):
        low, middle, high = edges_hz[mel : mel + 3]
        triangle = np.minimum((bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle))
        filters[mel] = np.maximum(triangle, 0) * 2 / (high - low)
    return filters


def reference_log_mel(audio: np.ndarray, num_mels: int) -> np.ndarray:
    padded = np.pad(audio.astype(np.float64), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160][: len(audio) // 160]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    log_mel = np.log10(np.maximum(reference_filters(num_mels) @ power.T, 1e-10))
    return np.asarray((np.maximum(log_mel, log_mel.max() - 8) + 4) / 4)


@pytest.mark.parametrize("num_mels", [80, 128])
def test_features_equal_the_reference(num_mels: int) -> None:
    audio = clips()[0].audio
    audio = audio[: len(audio) // 320 * 320]

    features = LogMel(num_mels)(audio).numpy()

    assert features.shape == (num_mels, len(audio) // 160)
    np.testing.assert_allclose(features, reference_log_mel(audio, num_mels), atol=2e-3)


def test_silence_has_features_too() -> None:
    features = LogMel(80)(np.zeros(3_200, dtype=np.float32)).numpy()

    assert np.unique(features).tolist() == [-1.5]
