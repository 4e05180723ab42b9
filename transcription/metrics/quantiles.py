"""Quantiles of what is known only as a count for each bucket. Pure."""

from collections.abc import Sequence
from itertools import accumulate


def quantile(bounds: Sequence[float], buckets: Sequence[int], share: float) -> float | None:
    """The value below which `share` of the counted ones lie, as if they were spread evenly within their bucket.

    bounds: upper bounds, rising. buckets: counts, one more than bounds; what lies above all bounds counts as the last bound.
    None: nothing was counted.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted = share * total
    for place, (upto, num) in enumerate(zip(accumulate(buckets), buckets, strict=True)):
        if num and upto >= wanted:
            if place == len(bounds):
                break
            low = bounds[place - 1] if place else min(0.0, bounds[0])
            return low + (bounds[place] - low) * (1 - (upto - wanted) / num)
    return bounds[-1]
