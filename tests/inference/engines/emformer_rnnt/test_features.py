"""Frames of a stream are those that torchaudio makes of the whole utterance."""

import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines.emformer_rnnt.features import Features, PendingFrames
from inference.engines.emformer_rnnt.weights import Statistics
from inference.torchaudio_compat import transforms

STATISTICS = Statistics(torch.linspace(7, 9, 12), torch.full((12,), 0.3))


def as_torchaudio_has_it(audio: np.ndarray, statistics: Statistics) -> Tensor:
    """(frames, mels), as its bundle computes them. What is shorter than it can mirror is followed by silence."""
    samples = torch.from_numpy(np.pad(audio, (0, max(0, 201 - len(audio)))))
    power = (
        transforms.MelSpectrogram(sample_rate=16000, n_fft=400, n_mels=len(statistics.mean), hop_length=160)(samples).T
        * 32767.0**2
    )
    compressed = torch.where(power > math.e, power.log(), power / math.e)
    features: Tensor = (compressed - statistics.mean) * statistics.inverse_deviation
    return features


@pytest.mark.parametrize("num_samples", [1, 200, 201, 399, 400, 16000, 16159, 31234])
def test_pieces_of_any_length_make_the_frames_of_the_whole(num_samples: int) -> None:
    rng = random.Random(num_samples)
    loudness = 10 ** np.linspace(-5, -1, num_samples)
    audio = (np.random.default_rng(0).standard_normal(num_samples) * loudness).astype(np.float32)
    features, pending, found, place = Features(STATISTICS), PendingFrames.empty(), [], 0

    while place < num_samples:
        piece = audio[place : place + rng.randrange(1, 5000)]
        pending.push(piece)
        place += len(piece)
        num_new = rng.randrange(pending.num_frames + 1)
        if num_new:
            found.append(features(torch.from_numpy(pending.first(num_new))[None])[0])
            pending.drop(num_new)
    pending.end()
    if pending.num_frames:
        found.append(features(torch.from_numpy(pending.first(pending.num_frames))[None])[0])

    assert torch.allclose(torch.cat(found), as_torchaudio_has_it(audio, STATISTICS), atol=1e-4)
