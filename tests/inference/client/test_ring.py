"""A ring keeps the last samples, the faint ones exactly and the others closely, and counts those that had to go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.client.ring import SampleRing

FAINT = st.lists(st.integers(-128, 127), max_size=25)
ANY = st.lists(st.integers(-32_768, 32_767), max_size=25)


def int16(samples: list[int]) -> np.ndarray:
    return np.array(samples, dtype=np.int16)


@given(st.lists(FAINT, max_size=30), st.integers(1, 20))
def test_faint_samples_are_kept_as_they_are(pieces: list[list[int]], capacity: int) -> None:
    ring, everything = SampleRing(capacity), int16([sample for piece in pieces for sample in piece])

    num_gone = sum(ring.push(int16(piece)) for piece in pieces)

    assert ring.read() == everything[-capacity:].astype("<i2").tobytes()
    assert num_gone == len(everything) - ring.num_samples == max(0, len(everything) - capacity)


@given(st.lists(ANY, max_size=30), st.integers(1, 60))
def test_any_sample_is_kept_to_the_128th_part_of_the_peak_of_its_piece(pieces: list[list[int]], capacity: int) -> None:
    ring = SampleRing(capacity)

    for piece in pieces:
        ring.push(int16(piece))

    limits = [max(map(abs, piece)) // 128 for piece in pieces if piece for _ in piece][-capacity:]
    errors = np.frombuffer(ring.read(), dtype="<i2").astype(int) - [sample for piece in pieces for sample in piece][-capacity:]
    assert len(errors) == ring.num_samples
    assert np.all(np.abs(errors) <= limits)


def test_a_loud_piece_does_not_coarsen_its_neighbours() -> None:
    ring = SampleRing(30)

    for piece in ([1, -2, 3], [20_000, -20_000], [-3, 2, -1]):
        ring.push(int16(piece))

    kept = np.frombuffer(ring.read(), dtype="<i2")
    assert kept.tolist()[:3] + kept.tolist()[5:] == [1, -2, 3, -3, 2, -1]


@pytest.mark.parametrize("peak", [300, 3_000, 30_000])
def test_the_error_lies_35_decibels_below_the_noise(peak: int) -> None:
    noise = np.random.default_rng(7).normal(0, peak / 4, 32_000).clip(-peak, peak).astype(np.int16)
    ring = SampleRing(len(noise))

    for piece in noise.reshape(10, -1):
        ring.push(piece)

    error = np.frombuffer(ring.read(), dtype="<i2").astype(float) - noise
    assert 10 * np.log10(np.mean(noise.astype(float) ** 2) / np.mean(error**2)) > 35
