"""The list of all metrics."""

import pytest

from inference.metrics import Metric
from transcription.metrics.names import BY_NAME, EVERY, FINAL, SWAPS, measured_by

DISCREET = {"code", "kind", "language", "model", "outcome", "reason", "severity", "worker"}
"""Labels that say nothing of who speaks, from where, and what. Another one must be thought about first."""


def test_no_name_is_given_twice() -> None:
    assert len(BY_NAME) == len(EVERY)


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_each_follows_the_conventions(metric: Metric) -> None:
    assert metric.name.startswith("hark_")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.help.endswith(".")


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_no_label_tells_of_a_person_or_of_what_was_said(metric: Metric) -> None:
    assert set(metric.labels) <= DISCREET


def test_each_is_measured_by_one_kind_of_process_or_by_all() -> None:
    assert [measured_by(BY_NAME[name]) for name in (FINAL.name, "hark_batch_size", SWAPS.name, "hark_cpu_seconds_total")] == [
        "web",
        "inference",
        "worker",
        "",
    ]
