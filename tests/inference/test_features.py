"""Features against librosa, which computes them independently, in float64."""

from itertools import product

import librosa
import numpy as np
import pytest
import torch

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.whisper.features import LogMel as WhisperLogMel
from inference.features import FFT_SAMPLES, FRAME_SAMPLES, HOP_SAMPLES, LogMel, LogMelOptions, Mfcc
from tests.speech import clips

AUDIO = clips()[0].audio
NEMO = LogMelOptions()


def mel_power(audio: np.ndarray, options: LogMelOptions) -> np.ndarray:
    """librosa's, (mels, frames)."""
    emphasised = np.append(audio[:1], audio[1:] - options.preemphasis * audio[:-1]).astype(np.float64)
    spectrum = librosa.stft(
        emphasised,
        n_fft=FFT_SAMPLES,
        hop_length=HOP_SAMPLES,
        win_length=FRAME_SAMPLES,
        window=np.hanning(FRAME_SAMPLES),
        center=True,
        pad_mode="constant",
    )
    power: np.ndarray = mel_filters(options) @ np.abs(spectrum) ** 2
    return power


def mel_filters(options: LogMelOptions, fft_samples: int = FFT_SAMPLES) -> np.ndarray:
    filters: np.ndarray = librosa.filters.mel(
        sr=SAMPLE_RATE_HZ,
        n_fft=fft_samples,
        n_mels=options.num_mels,
        fmin=options.low_hz,
        fmax=options.high_hz,
        htk=options.mel_scale == "htk",
        norm="slaney" if options.has_area_norm else None,
        dtype=np.float64,
    )
    return filters


@pytest.mark.parametrize(("mel_scale", "has_area_norm", "num_mels"), [*product(["slaney", "htk"], [True, False], [40, 80])])
def test_filters_are_those_of_librosa(mel_scale: str, has_area_norm: bool, num_mels: int) -> None:
    options = LogMelOptions(num_mels=num_mels, mel_scale=mel_scale, has_area_norm=has_area_norm)  # type: ignore[arg-type]

    np.testing.assert_allclose(LogMel(options).filters.T, mel_filters(options), atol=1e-5)


@pytest.mark.parametrize("num_mels", [80, 128])
def test_whispers_filters_are_those_of_librosa(num_mels: int) -> None:
    filters = WhisperLogMel(num_mels).filters

    np.testing.assert_allclose(filters.T, mel_filters(LogMelOptions(num_mels=num_mels), 400), atol=1e-6)


@pytest.mark.parametrize(
    "options", [NEMO, LogMelOptions(preemphasis=0.0), LogMelOptions(num_mels=40, mel_scale="htk", low_hz=20, high_hz=7_600)]
)
def test_log_mel_is_that_of_librosa(options: LogMelOptions) -> None:
    ours = LogMel(options)(torch.from_numpy(AUDIO)).numpy()

    expected = np.log(mel_power(AUDIO, options) + options.guard)
    np.testing.assert_allclose(ours, expected, atol=2e-3)
    np.testing.assert_allclose(np.exp(ours), np.exp(expected), rtol=1e-3, atol=1e-7)


def test_another_preemphasis_would_show() -> None:
    """The check above can fail: here ours has none."""
    ours = LogMel(LogMelOptions(preemphasis=0.0))(torch.from_numpy(AUDIO)).numpy()

    assert np.abs(ours - np.log(mel_power(AUDIO, NEMO) + NEMO.guard)).max() > 0.5


def test_mfcc_is_that_of_librosa() -> None:
    mfcc = Mfcc(13)
    options = mfcc.log_mel.options

    ours = mfcc(torch.from_numpy(AUDIO)).numpy()

    log_mel = np.log(mel_power(AUDIO, options) + options.guard)
    np.testing.assert_allclose(ours, librosa.feature.mfcc(S=log_mel, n_mfcc=13), atol=5e-3)


def test_a_batch_gives_what_each_of_its_rows_alone_gives() -> None:
    rows = torch.from_numpy(np.stack([AUDIO[:16_000], AUDIO[-16_000:]]))

    for features in (LogMel(), Mfcc()):
        torch.testing.assert_close(features(rows)[1], features(rows[1]), atol=1e-4, rtol=1e-4)


def test_frames_are_ten_milliseconds_apart() -> None:
    assert LogMel()(torch.zeros(16_000)).shape == (80, 101)
    assert Mfcc(20)(torch.zeros(1_600)).shape == (20, 11)


def test_silence_is_the_logarithm_of_the_guard() -> None:
    torch.testing.assert_close(LogMel()(torch.zeros(1_600)), torch.full((80, 11), -24.0 * np.log(2)))
