"""What a rule looks at: its value now, which series are to blame for it, and its values of the past."""

import logging
from datetime import datetime, timedelta
from typing import Final, cast

from transcription.alerts.quantities import readable
from transcription.alerts.replay import Point
from transcription.alerts.rules import Comparison, Rule
from transcription.metrics.names import BY_NAME
from transcription.metrics.queries import Aggregation, Line, aggregate, history
from transcription.metrics.reading import NODE
from transcription.models import AlertRule

MAX_CULPRITS: Final = 5
FINEST_STEP: Final = timedelta(seconds=60)
"""Of a look into the past: samples of ten seconds are kept for some hours only."""
logger = logging.getLogger(__name__)


def condition_of(rule: AlertRule) -> Rule:
    return Rule(
        comparison=Comparison(rule.comparison),
        threshold=rule.threshold,
        hold=timedelta(seconds=rule.for_s),
        cool_down=timedelta(seconds=rule.cool_down_s),
        fires_without_data=rule.no_data == AlertRule.WithoutData.ALERT,
    )


def measured(rule: AlertRule, until: datetime) -> float | None:
    """None: nothing was measured, or too little, or the metric is gone with an older version of the project."""
    window, how = timedelta(seconds=rule.window_s), cast(Aggregation, rule.aggregation)
    try:
        if rule.min_count and num_counted(rule, window, until) < rule.min_count:
            return None
        return aggregate(rule.metric, how, window=window, until=until, labels=rule.labels, per=rule.per)
    except ValueError as err:
        logger.warning("alert rule %d cannot be looked at: %s", rule.pk, err)
        return None


def num_counted(rule: AlertRule, window: timedelta, until: datetime) -> float:
    return aggregate(counted(rule), "sum", window=window, until=until, labels=labels_of(rule)) or 0.0


def counted(rule: AlertRule) -> str:
    """The metric that says of how much the rule tells: what it divides by, or its own."""
    return rule.per or rule.metric


def labels_of(rule: AlertRule) -> dict[str, str]:
    """Those labels of the rule that `counted` has too."""
    metric = BY_NAME.get(counted(rule))  # it may be gone with an older version of the project
    known = (*(metric.labels if metric is not None else ()), NODE)
    return {name: text for name, text in rule.labels.items() if name in known}


def culprits(rule: AlertRule, until: datetime) -> str:
    """The series that are bad by themselves, worst first: `worker=inference-1: 0`. Empty where none is."""
    window, condition = timedelta(seconds=rule.window_s), condition_of(rule)
    by = BY_NAME[rule.metric].labels or (NODE,)
    how = cast(Aggregation, rule.aggregation)
    lines = history(rule.metric, how, since=until - window, until=until, step=window, labels=rule.labels, by=by, per=rule.per)
    worst = [(line, worst_of(condition, line)) for line in lines]
    bad = [(line, value) for line, value in worst if value is not None and condition.is_bad(value)]
    bad.sort(key=lambda pair: pair[1], reverse=condition.comparison in {Comparison.ABOVE, Comparison.AT_LEAST})
    return "\n".join(culprit(rule, line, value) for line, value in bad[:MAX_CULPRITS])


def worst_of(condition: Rule, line: Line) -> float | None:
    worst: float | None = None
    for _at, value in line.points:
        worst = condition.worse(worst, value)
    return worst


def culprit(rule: AlertRule, line: Line, value: float) -> str:
    labels = ", ".join(f"{name}={text}" for name, text in line.labels.items())
    return f"{labels}: {readable(rule.metric, value, how=rule.aggregation, per=rule.per)}"


def past(rule: AlertRule, since: datetime, until: datetime) -> tuple[list[Point], timedelta]:
    """Values at the ends of windows that lie one after another, and how long these are: at least a minute.

    Raises:
        ValueError: there is no such metric, it has no such label, or cannot be aggregated so.
    """
    step, how = max(FINEST_STEP, timedelta(seconds=rule.window_s)), cast(Aggregation, rule.aggregation)
    (line,) = history(rule.metric, how, since=since, until=until, step=step, labels=rule.labels, per=rule.per)
    if len(line.points) > 1:
        step = line.points[1][0] - line.points[0][0]
    enough = moments_with_enough(rule, since, until, step) if rule.min_count else {at for at, _value in line.points}
    return [(at + step, value if at in enough else None) for at, value in line.points if at + step <= until], step


def moments_with_enough(rule: AlertRule, since: datetime, until: datetime, step: timedelta) -> set[datetime]:
    (line,) = history(counted(rule), "sum", since=since, until=until, step=step, labels=labels_of(rule))
    return {at for at, num in line.points if (num or 0) >= rule.min_count}
