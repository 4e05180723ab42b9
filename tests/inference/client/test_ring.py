"""A ring gives the last samples back as they came, and counts those that had to go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.client.ring import SampleRing

PIECES = st.lists(
    st.lists(st.integers(-140, 140), max_size=25)  # nearly all fit
    | st.lists(st.integers(-32_768, 32_767), max_size=25),
    max_size=30,
)


def int16(samples: list[int]) -> np.ndarray:
    return np.array(samples, dtype=np.int16)


@given(PIECES, st.integers(1, 60))
def test_a_ring_keeps_the_last_samples_and_counts_the_others(pieces: list[list[int]], capacity: int) -> None:
    ring, everything = SampleRing(capacity), int16([sample for piece in pieces for sample in piece])

    num_gone = sum(ring.push(int16(piece)) for piece in pieces)

    assert ring.read() == everything[-capacity:].astype("<i2").tobytes()
    assert num_gone == len(everything) - ring.num_samples == max(0, len(everything) - capacity)


@pytest.mark.parametrize(("rms", "max_bytes_per_sample"), [(20, 1.01), (41, 1.05), (80, 1.7), (1_000, 3.05)])
def test_the_quieter_the_room_the_less_is_kept(rms: int, max_bytes_per_sample: float) -> None:
    noise = np.random.default_rng(7).normal(0, rms, 32_000 * 3).clip(-32_768, 32_767).astype(np.int16)
    ring = SampleRing(32_000)

    for piece in noise.reshape(-1, 3_200):
        ring.push(piece)

    beside = [array for kept in ring._beside for array in (kept.places, kept.values) if array is not None]
    num_bytes = ring._memory.nbytes + sum(array.nbytes for array in beside)
    assert num_bytes / ring.num_samples <= max_bytes_per_sample
    assert ring.read() == noise[-32_000:].astype("<i2").tobytes()
