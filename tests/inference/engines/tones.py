"""Something to hear for models of random weights: loud enough, and never the same for long."""

import numpy as np

from inference.audio import SAMPLE_RATE_HZ

TONE_SAMPLES = SAMPLE_RATE_HZ // 10


def tones(num_seconds: float, seed: int, loudness: float = 1.0) -> np.ndarray:
    """Another tone every tenth of a second; float32 (num_samples,), 16 kHz."""
    rng = np.random.default_rng(seed)
    num_samples = round(num_seconds * SAMPLE_RATE_HZ)
    hz, louder = (rng.uniform(low, high, num_samples // TONE_SAMPLES + 1) for low, high in ((100, 4000), (0, 1)))
    times_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    heard = np.sin(2 * np.pi * hz.repeat(TONE_SAMPLES)[:num_samples] * times_s) * louder.repeat(TONE_SAMPLES)[:num_samples] ** 3
    audio: np.ndarray = (heard * loudness + 0.001 * rng.standard_normal(num_samples)).astype(np.float32)
    return audio
