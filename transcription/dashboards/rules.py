"""The alert rules that come with the project, for those who let Prometheus watch instead. Pure.

They are those that the database has at first (`transcription.alerts`); what is changed there does not change these.
"""

from dataclasses import dataclass
from typing import Any, Final

from inference.metrics import MEMORY, QUEUE_AGE, Metric
from transcription.dashboards import promql
from transcription.dashboards.scraping import JOB_PREFIX, SCRAPE_EVERY_S
from transcription.metrics import names

PROCESSES: Final = f'up{{job=~"{JOB_PREFIX}.*"}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """As `transcription.models.AlertRule`."""

    name: str
    metric: Metric
    aggregation: str
    threshold: float
    window_s: int
    severity: str
    comparison: str = ">"
    for_s: int = 0
    per: Metric | None = None
    min_count: int = 0
    fires_without_data: bool = False


SHIPPED: Final = (
    Condition(
        name="Final texts are late", metric=names.FINAL, aggregation="p99", threshold=0.5, window_s=300, severity="warning"
    ),
    Condition(
        name="Sessions end with errors",
        metric=names.SESSION_ERRORS,
        per=names.SESSIONS_STARTED,
        aggregation="sum",
        min_count=20,
        threshold=0.01,
        window_s=900,
        severity="critical",
    ),
    Condition(
        name="An inference process is missing",
        metric=names.LINK_UP,
        aggregation="min",
        comparison="<",
        threshold=1.0,
        window_s=30,
        for_s=60,
        severity="critical",
        fires_without_data=True,
    ),
    Condition(
        name="Reference clips are heard wrongly",
        metric=names.CANARY_WER,
        aggregation="max",
        threshold=0.3,
        window_s=300,
        severity="warning",
    ),
    Condition(
        name="Recognition cannot keep up",
        metric=QUEUE_AGE,
        aggregation="p95",
        threshold=1.0,
        window_s=60,
        for_s=30,
        severity="warning",
    ),
    Condition(
        name="A process takes much memory",
        metric=MEMORY,
        aggregation="max",
        threshold=4e9,
        window_s=300,
        severity="warning",
    ),
)


def rules() -> dict[str, Any]:
    """To be written as YAML and named in `rule_files`."""
    return {"groups": [{"name": "hark", "interval": f"{SCRAPE_EVERY_S}s", "rules": [*map(rule_of, SHIPPED), missing_process()]}]}


def rule_of(condition: Condition) -> dict[str, Any]:
    expression = f"{value_of(condition)} {condition.comparison} {condition.threshold:g}"
    if condition.min_count and condition.per is not None:
        expression += f" and {promql.increase_of(condition.per, f'{condition.window_s}s')} >= {condition.min_count}"
    if condition.fires_without_data:
        expression += f" or absent({condition.metric.name})"
    unit = "" if condition.per else {"seconds": " s", "bytes": " bytes"}.get(condition.metric.name.rpartition("_")[2], "")
    return alert(condition.name, expression, condition.for_s, condition.severity, f"Now {{{{ $value }}}}{unit}.")


def value_of(condition: Condition) -> str:
    """What is compared with the threshold."""
    metric, how, over = condition.metric, condition.aggregation, f"{condition.window_s}s"
    if condition.per is not None:
        return f"{promql.increase_of(metric, over)} / {promql.increase_of(condition.per, over)}"
    if metric.kind == "histogram":
        return promql.quantile_of(metric, how, over=over)
    return f"{how} ({how}_over_time({metric.name}[{over}]))"


def missing_process() -> dict[str, Any]:
    return alert("A process is not there", f"{PROCESSES} == 0", 60, "critical", "{{ $labels.job }} at {{ $labels.instance }}.")


def alert(name: str, expression: str, for_s: int, severity: str, description: str) -> dict[str, Any]:
    return {
        "alert": "Hark" + "".join(word.capitalize() for word in name.split()),
        "expr": expression,
        **({"for": f"{for_s}s"} if for_s else {}),
        "labels": {"severity": severity},
        "annotations": {"summary": f"{name}.", "description": description},
    }
