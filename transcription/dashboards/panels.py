"""What the dashboard shows: every metric once, in rows as an operator asks. Pure."""

from dataclasses import dataclass
from typing import Final

from inference import metrics as inference
from inference.metrics import Metric
from transcription.dashboards import promql
from transcription.metrics import names


@dataclass(frozen=True, slots=True)
class Query:
    """`legend`: what a line is called; labels stand in it as {{label}}."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """unit: as Grafana calls it. help: one sentence for each metric."""

    title: str
    unit: str
    help: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def unit_of(metric: Metric) -> str:
    """From its name; what is counted in seconds is a number of seconds."""
    units = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit"}
    return units.get(metric.name.rpartition("_")[2], "short")


def legend_of(*by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by)


def quantiles(title: str, metric: Metric) -> Panel:
    queries = tuple(Query(promql.quantile_of(metric, how), how) for how in promql.SHARES)
    return Panel(title, unit_of(metric), metric.help, queries)


def quantile(title: str, metric: Metric, how: str, *by: str) -> Panel:
    return Panel(title, unit_of(metric), metric.help, (Query(promql.quantile_of(metric, how, by), legend_of(*by) or how),))


def rate(title: str, metric: Metric, *by: str, unit: str = "short") -> Panel:
    """A second."""
    return Panel(title, unit, metric.help, (Query(promql.rate_of(metric, by), legend_of(*by) or "per second"),))


def now(title: str, metric: Metric, *by: str, how: str = "sum") -> Panel:
    return Panel(title, unit_of(metric), metric.help, (Query(promql.now_of(metric, how, by), legend_of(*by) or how),))


def together(title: str, *panels: Panel) -> Panel:
    """Panels of the same unit in one; each of their lines is called as its panel, or by its labels."""
    queries = tuple(
        Query(query.expression, query.legend if "{{" in query.legend else panel.title)
        for panel in panels
        for query in panel.queries
    )
    return Panel(title, panels[0].unit, " ".join(panel.help for panel in panels), queries)


ROWS: Final = (
    Row(
        "How fast",
        (
            quantiles("End of an utterance to its final", names.FINAL),
            quantile("End of an utterance to its final, 95th percentile by model", names.FINAL, "p95", "model"),
            quantiles("Last word to final", names.SPEECH_TO_FINAL),
            quantiles("Speech to first text", names.FIRST_TEXT),
            quantiles("Age of partials", names.PARTIAL_AGE),
        ),
    ),
    Row(
        "How much",
        (
            together(
                "Connections and streams",
                now("connections", names.CONNECTIONS),
                now("speaking", names.STREAMS_SPEAKING),
                now("open at inference", inference.STREAMS_OPEN),
            ),
            now("Live sessions", names.SESSIONS_LIVE, "model", "language"),
            rate("Sessions begun", names.SESSIONS_STARTED),
            rate("Sessions over", names.SESSIONS_ENDED, "outcome"),
            rate("Seconds of audio a second", names.AUDIO),
            rate("Finals a second", names.SEGMENTS, "model", "language"),
        ),
    ),
    Row(
        "Trouble",
        (
            now("Open alerts", names.ALERTS_OPEN, "severity", how="max"),  # each worker tells of all
            rate("Sessions ended by an error", names.SESSION_ERRORS, "code"),
            rate("Refused", names.REFUSALS, "reason"),
            rate("Resumed", names.RESUMPTIONS, "outcome"),
            rate("Seconds missing a second", names.GAPS, "reason"),
            rate("Partials dropped", names.PARTIALS_DROPPED),
        ),
    ),
    Row(
        "How well",
        (
            now("Word errors in the reference clips", names.CANARY_WER, "model", "language", how="max"),
            now("Word errors that clients corrected", names.CORRECTION_WER, "model", "language", how="max"),
            quantiles("Confidence of finals", names.CONFIDENCE),
            rate("Swaps", names.SWAPS, "outcome"),
        ),
    ),
    Row(
        "Recognition",
        (
            now("Streams that wait", inference.QUEUE_LENGTH),
            quantiles("Wait for a step", inference.QUEUE_AGE),
            quantiles("Streams in a step", inference.BATCH_SIZE),
            quantile("Time of a step, 95th percentile", inference.STEP, "p95", "model"),
            now("Real-time factor", inference.REAL_TIME_FACTOR, "model", how="max"),
            now("Share of the time computing", inference.BUSY, "instance", how="max"),
        ),
    ),
    Row(
        "What it depends on",
        (
            together(
                "Whether others answer",
                now("PostgreSQL", names.DATABASE_UP, how="min"),
                now("Valkey", names.CHANNEL_LAYER_UP, how="min"),
                now("inference", names.LINK_UP, "worker", how="min"),
            ),
            now("Entries that wait to be stored", names.RECORDER_WAITING),
            quantiles("Time to store", names.STORE),
            quantile("How late the event loop is, 99th percentile", names.LOOP_LAG, "p99", "instance"),
        ),
    ),
    Row(
        "Machines",
        (
            rate("Processors in use", inference.CPU, "job", "instance"),
            now("Memory", inference.MEMORY, "job", "instance"),
            now("Memory of models", inference.MODEL_MEMORY, "model", "instance"),
            now("GPU in use", inference.GPU_UTILISATION, "instance", how="max"),
            now("Memory of GPUs", inference.GPU_MEMORY, "kind", "instance", how="max"),
        ),
    ),
)
