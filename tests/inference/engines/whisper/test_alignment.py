"""The cheapest monotonic path, against trying all of them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engines.whisper.alignment import SMOOTHING_FRAMES, monotonic_path, normalise


def best_of_all_paths(scores: np.ndarray) -> float:
    """Sum of the best way to give successive runs of frames to the tokens, by trying every way."""
    num_tokens, num_frames = scores.shape
    ways = ((0, *cuts, num_frames) for cuts in combinations(range(1, num_frames), num_tokens - 1))
    return max(score_of(scores, starts) for starts in ways)


def score_of(scores: np.ndarray, starts: tuple[int, ...]) -> float:
    return float(sum(scores[token, starts[token] : starts[token + 1]].sum() for token in range(len(scores))))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_no_other_path_is_better(num_tokens: int, num_spare: int, seed: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((num_tokens, num_tokens + num_spare))

    starts = tuple(monotonic_path(scores).tolist())

    assert starts[0] == 0
    assert starts[-1] == scores.shape[1]
    assert all(before < after for before, after in zip(starts, starts[1:], strict=False))
    assert score_of(scores, starts) == pytest.approx(best_of_all_paths(scores))


def test_tokens_are_found_where_they_light_up() -> None:
    scores = np.zeros((3, 12))
    scores[0, :4] = scores[1, 4:9] = scores[2, 9:] = 1.0

    assert monotonic_path(scores).tolist() == [0, 4, 9, 12]


def test_normalised_attention_is_high_where_a_token_was_heard() -> None:
    attention = np.full((2, 3, 30), 0.01, dtype=np.float32)
    for token in range(3):
        attention[:, token, token * 10 : token * 10 + 10] = 0.1

    scores = normalise(attention)

    assert scores.shape == (3, 30)
    assert monotonic_path(scores).tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize("num_frames", [1, SMOOTHING_FRAMES // 2, SMOOTHING_FRAMES])
def test_very_short_windows_are_aligned_too(num_frames: int) -> None:
    attention = np.random.default_rng(0).random((2, 1, num_frames), dtype=np.float32)

    assert monotonic_path(normalise(attention)).tolist() == [0, num_frames]
