"""What was measured, as numbers over a stretch of time: one number (`aggregate`) or lines for a chart (`history`).

What can be asked depends on the kind of metric (`AGGREGATIONS`):

- counter: `sum` is its increase, `rate` its increase per second.
- histogram: `p50`, `p95`, `p99` and `mean` of the values; `sum` is how many there were, `rate` how many per second.
- gauge: `mean` of all looks at it, `min`, `max`; `sum`: the mean of each series, all added up; `last`: the newest of each series,
  added up, so that `last` of hark_connections is the sockets of all processes.

Where a process reported that would have counted, nothing counted is 0; where none did, there is no data: None. Quantiles and
means of nothing are None too.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from django.utils import timezone

from inference.metrics import Metric
from transcription.metrics.names import BY_NAME
from transcription.metrics.quantiles import quantile
from transcription.metrics.reading import NODE, Row, rows_of, seconds_seen, series_of
from transcription.metrics.resolution import Slots, stepped, whole
from transcription.metrics.retention import kept

Aggregation = Literal["p50", "p95", "p99", "mean", "min", "max", "last", "sum", "rate"]
AGGREGATIONS: Final[Mapping[str, tuple[Aggregation, ...]]] = {
    "counter": ("sum", "rate"),
    "histogram": ("p50", "p95", "p99", "mean", "sum", "rate"),
    "gauge": ("mean", "min", "max", "last", "sum"),
}
SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FRESH_SAMPLES: Final = 3
"""`last` looks no further back than so many: a process that is gone is not counted on for the length of a window."""


class Line(NamedTuple):
    """`labels`: those of `by`. points: when a step begins, and its value."""

    labels: dict[str, str]
    points: list[tuple[datetime, float | None]]


def aggregate(
    metric: str,
    how: Aggregation,
    *,
    window: timedelta,
    until: datetime,
    labels: Mapping[str, str] | None = None,
    per: str = "",
) -> float | None:
    """One number of the `window` before `until`; None: no data.

    labels: only series that have them; `node` counts as one. per: another counter, for the quotient of both increases.

    Raises:
        ValueError: there is no such metric, it has no such label, or the aggregation is none for its kind.
    """
    slots = whole(window, until, timezone.now(), kept())
    if how == "last":
        since_s = max(slots.since_s, slots.until_s - FRESH_SAMPLES * slots.resolution_s)
        slots = slots._replace(since_s=since_s, step_s=slots.until_s - since_s)
    groups = _values(metric, how, slots, labels or {}, per=per)
    return groups[()].get(0)


def history(
    metric: str,
    how: Aggregation,
    *,
    since: datetime,
    until: datetime,
    step: timedelta,
    labels: Mapping[str, str] | None = None,
    by: Sequence[str] = (),
    per: str = "",
) -> list[Line]:
    """A line for each set of values of the labels `by` (`node` counts as one); without them one line.

    step: the least; it is longer where older samples are. `labels`, `per` and errors: as for `aggregate`.
    """
    slots = stepped(since, until, step, timezone.now(), kept())
    moments = [datetime.fromtimestamp(slots.since_s + number * slots.step_s, UTC) for number in range(slots.num)]
    groups = _values(metric, how, slots, labels or {}, tuple(by), per=per)
    return [
        Line(dict(zip(by, key, strict=True)), [(moment, found.get(number)) for number, moment in enumerate(moments)])
        for key, found in sorted(groups.items())
    ]


def described(name: str, how: str, labels: Sequence[str] = ()) -> Metric:
    """The metric, of which `how` can be asked by `labels`.

    Raises:
        ValueError: as the sentence says.
    """
    metric = BY_NAME.get(name)
    if metric is None:
        raise ValueError(f"There is no metric {name!r}; docs/metrics.md lists all.")
    if how not in AGGREGATIONS[metric.kind]:
        offered = ", ".join(AGGREGATIONS[metric.kind])
        raise ValueError(f"{how!r} cannot be asked of the {metric.kind} {name}; expected one of {offered}.")
    unknown = set(labels) - {*metric.labels, NODE}
    if unknown:
        raise ValueError(f"{name} has no label {', '.join(sorted(unknown))}; it has {', '.join([*metric.labels, NODE])}.")
    return metric


Values = dict[tuple[str, ...], dict[int, float]]


def _values(
    name: str, how: Aggregation, slots: Slots, labels: Mapping[str, str], by: tuple[str, ...] = (), *, per: str
) -> Values:
    """Group → step → value, only where there is one. Without `by` there is the group ()."""
    metric = described(name, how, [*labels, *by])
    if not per:
        return _of(metric, how, slots, labels, by)
    other = described(per, "sum")
    shared = [label for label in by if label in (*other.labels, NODE)]
    theirs = _of(
        other, "sum", slots, {label: value for label, value in labels.items() if label in (*other.labels, NODE)}, tuple(shared)
    )
    quotients: Values = {}
    for key, values in _of(metric, "sum", slots, labels, by).items():
        below = theirs.get(tuple(value for label, value in zip(by, key, strict=True) if label in shared), {})
        quotients[key] = {slot: value / below[slot] for slot, value in values.items() if below.get(slot)}
    return quotients


def _of(metric: Metric, how: Aggregation, slots: Slots, labels: Mapping[str, str], by: tuple[str, ...]) -> Values:
    series = series_of(metric, labels)
    rows: dict[tuple[str, ...], dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    if not by:
        rows[()] = defaultdict(list)
    for row in rows_of(metric, series, slots):
        rows[tuple(series[row.series_id].get(label, "") for label in by)][row.slot].append(row)
    if metric.kind != "gauge" and how in {"sum", "rate"}:
        return _counted(metric, how, slots, rows)
    found = {key: {slot: COMBINED[how](metric, given) for slot, given in steps.items()} for key, steps in rows.items()}
    return {key: {slot: value for slot, value in values.items() if value is not None} for key, values in found.items()}


def _counted(
    metric: Metric, how: Aggregation, slots: Slots, rows: Mapping[tuple[str, ...], Mapping[int, Sequence[Row]]]
) -> Values:
    """Increases: 0 where somebody looked and nothing was counted."""
    seen_s = seconds_seen(metric, slots)
    values: Values = {}
    for key, steps in rows.items():
        values[key] = dict.fromkeys(seen_s, 0.0)
        for slot, given in steps.items():
            counts = (row.total if metric.kind == "counter" else row.num for row in given)
            values[key][slot] = float(sum(counts)) / (seen_s.get(slot, slots.step_s) if how == "rate" else 1)
    return values


def _quantile(share: float) -> Callable[[Metric, Sequence[Row]], float | None]:
    def found(metric: Metric, rows: Sequence[Row]) -> float | None:
        buckets = [sum(counts) for counts in zip(*(row.buckets for row in rows if row.buckets), strict=True)]
        return quantile(metric.buckets, buckets, share)

    return found


def _mean(_metric: Metric, rows: Sequence[Row]) -> float | None:
    num = sum(row.num for row in rows)
    return sum(row.total for row in rows) / num if num else None


def _least(_metric: Metric, rows: Sequence[Row]) -> float | None:
    return min((row.low for row in rows if row.low is not None), default=None)


def _most(_metric: Metric, rows: Sequence[Row]) -> float | None:
    return max((row.high for row in rows if row.high is not None), default=None)


def _sum_of_means(_metric: Metric, rows: Sequence[Row]) -> float | None:
    return sum(row.total / row.num for row in rows if row.num)


def _sum_of_newest(_metric: Metric, rows: Sequence[Row]) -> float | None:
    return sum(row.newest for row in rows if row.newest is not None)


COMBINED: Final[Mapping[str, Callable[[Metric, Sequence[Row]], float | None]]] = {
    **{how: _quantile(share) for how, share in SHARES.items()},
    "mean": _mean,
    "min": _least,
    "max": _most,
    "sum": _sum_of_means,
    "last": _sum_of_newest,
}
