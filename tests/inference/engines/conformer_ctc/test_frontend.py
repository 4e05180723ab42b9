"""Log-mel by chunks is the log-mel of the whole."""

import random

import numpy as np
import pytest
import torch

from inference.engines.conformer_ctc.frontend import PendingAudio, StreamingLogMel
from inference.engines.conformer_ctc.geometry import Geometry
from inference.features import LogMel, LogMelOptions
from tests.inference.engines.conformer_ctc.networks import SHAPES, config_of

NEAR = 1e-4
"""Of natural logarithms; the sums are done in another order."""


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(num_samples, dtype=np.float32) * 0.1


def geometry_of(shape: str) -> Geometry:
    config = config_of(*SHAPES[shape])
    return Geometry(config, config.default_right_frames)


def whole(audio: np.ndarray) -> np.ndarray:
    """(mel frames, mels)"""
    return LogMel()(torch.from_numpy(audio)).T.numpy()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("most_samples", [37, 3200, 100_000])
def test_pieces_of_any_length_give_the_features_of_the_whole(shape: str, most_samples: int) -> None:
    geometry = geometry_of(shape)
    log_mel, pending, rng = StreamingLogMel(geometry, LogMelOptions()), PendingAudio(), random.Random(most_samples)
    audio, chunks, start = noise(40_000), [], 0
    while start < len(audio):
        end = start + rng.randint(1, most_samples)
        pending.push(audio[start:end], log_mel.options.preemphasis)
        start = end
        while pending.has_chunk(geometry):
            chunks.append(log_mel([pending])[0])
            pending.pass_chunk(geometry)
    pending.complete(geometry)
    chunks.append(log_mel([pending])[0])

    said = torch.cat(chunks).numpy()[geometry.num_virtual_mel_frames :]

    expected = whole(audio)
    num_same = min(len(said), len(expected))
    assert num_same > 200
    np.testing.assert_allclose(said[:num_same], expected[:num_same], atol=NEAR)


def test_a_chunk_is_there_with_the_sample_that_it_needs_and_not_before() -> None:
    geometry = geometry_of("4x, four frames")
    for num_samples, num_chunks in (
        (geometry.first_chunk_samples - 1, 0),
        (geometry.first_chunk_samples, 1),
        (geometry.first_chunk_samples + geometry.chunk_samples - 1, 1),
        (geometry.first_chunk_samples + geometry.chunk_samples, 2),
    ):
        pending, found = PendingAudio(), 0
        pending.push(noise(num_samples), 0.97)
        while pending.has_chunk(geometry):
            pending.pass_chunk(geometry)
            found += 1
        assert found == num_chunks


def test_what_comes_before_the_first_frame_is_nothing_and_not_silence() -> None:
    geometry = geometry_of("8x, one frame of look-ahead")
    log_mel, pending = StreamingLogMel(geometry, LogMelOptions()), PendingAudio()
    pending.push(np.zeros(geometry.first_chunk_samples, dtype=np.float32), 0.97)

    chunk = log_mel([pending])[0]

    assert (chunk[: geometry.num_virtual_mel_frames] == 0.0).all()
    assert (chunk[geometry.num_virtual_mel_frames :] < -16.0).all()


def test_streams_of_a_batch_do_not_hear_each_other() -> None:
    geometry = geometry_of("4x, four frames")
    log_mel = StreamingLogMel(geometry, LogMelOptions())
    rows = [PendingAudio() for _ in range(3)]
    for seed, row in enumerate(rows):
        row.push(noise(8000, seed), 0.97)
    rows[1].pass_chunk(geometry)

    together = log_mel(rows)

    for row, expected in zip(rows, together, strict=True):
        np.testing.assert_allclose(log_mel([row])[0].numpy(), expected.numpy(), atol=NEAR)
