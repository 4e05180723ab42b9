"""Samples as if processes had measured, for tests of those who read them."""

from datetime import datetime, timedelta

from inference.metrics import MEMORY, Metric
from transcription.models import MetricSample, MetricSeries


def write(
    metric: Metric,
    at: datetime,
    *,
    total: float = 0.0,
    values: tuple[float, ...] = (),
    node: str = "web@a",
    resolution_s: int = 10,
    **labels: str,
) -> None:
    """`total`: a counter's increase. values: what a histogram counted, or what was seen of a gauge."""
    series, _is_new = MetricSeries.objects.get_or_create(name=metric.name, node=node, labels=labels, bounds=list(metric.buckets))
    sample = MetricSample(series=series, resolution_s=resolution_s, at=at, total=total)
    if metric.kind != "counter":
        sample.total, sample.count = sum(values), len(values)
    if metric.kind == "gauge":
        sample.low, sample.high = min(values), max(values)
    if metric.kind == "histogram":
        edges = [*metric.buckets, float("inf")]
        below = [sum(value <= edge for value in values) for edge in edges]
        sample.buckets = [upto - before for upto, before in zip(below, [0, *below], strict=False)]
    sample.save(force_insert=True)


def report(since: datetime, until: datetime, node: str = "web@a") -> None:
    """Let a process be there, and nothing else."""
    at = since
    while at < until:
        write(MEMORY, at, values=(1.0,), node=node)
        at += timedelta(seconds=10)
