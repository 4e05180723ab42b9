"""Quantiles of buckets against what can be worked out by hand."""

import pytest

from transcription.metrics.quantiles import quantile

BOUNDS = (0.1, 0.2, 0.4)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([10, 0, 0, 0], 0.5, 0.05),
        ([0, 10, 0, 0], 0.5, 0.15),
        ([5, 5, 0, 0], 0.5, 0.1),
        ([50, 0, 50, 0], 0.99, 0.396),
        ([0, 0, 4, 0], 1.0, 0.4),
        ([1, 0, 0, 9], 0.5, 0.4),
    ],
)
def test_values_lie_evenly_in_their_bucket(buckets: list[int], share: float, expected: float) -> None:
    assert quantile(BOUNDS, buckets, share) == pytest.approx(expected)


def test_nothing_has_no_quantile() -> None:
    assert quantile(BOUNDS, [0, 0, 0, 0], 0.5) is None
    assert quantile(BOUNDS, [], 0.5) is None
