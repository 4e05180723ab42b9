"""Questions about a metric in Prometheus' language. Pure."""

from collections.abc import Sequence
from typing import Final

from inference.metrics import Metric

AUTO: Final = "$__rate_interval"
"""Over what Grafana finds right for a chart: at least four scrapes."""
SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def grouped(by: Sequence[str]) -> str:
    return f" by ({', '.join(by)})" if by else ""


def rate_of(metric: Metric, by: Sequence[str] = (), over: str = AUTO) -> str:
    """How much a counter grows each second; of a histogram: how many values there are."""
    return f"sum{grouped(by)} (rate({counted(metric)}[{over}]))"


def increase_of(metric: Metric, over: str) -> str:
    return f"sum (increase({counted(metric)}[{over}]))"


def counted(metric: Metric) -> str:
    return f"{metric.name}_count" if metric.kind == "histogram" else metric.name


def mean_of(metric: Metric, by: Sequence[str] = (), over: str = AUTO) -> str:
    """Of the values of a histogram."""
    return f"sum{grouped(by)} (rate({metric.name}_sum[{over}])) / {rate_of(metric, by, over)}"


def quantile_of(metric: Metric, how: str, by: Sequence[str] = (), over: str = AUTO) -> str:
    """`how`: p50, p95 or p99 of the values of a histogram."""
    return f"histogram_quantile({SHARES[how]}, sum{grouped(['le', *by])} (rate({metric.name}_bucket[{over}])))"


def now_of(metric: Metric, how: str = "sum", by: Sequence[str] = ()) -> str:
    """A gauge of all processes, put together by `how`: sum, avg, min or max."""
    return f"{how}{grouped(by)} ({metric.name})"
