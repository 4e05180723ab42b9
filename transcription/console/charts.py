"""What the console draws: which charts there are, which lines each has, and the ranges of time that can be looked at."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from inference.metrics import (
    BATCH_SIZE,
    BUSY,
    CPU,
    GPU_MEMORY,
    GPU_UTILISATION,
    MEMORY,
    QUEUE_AGE,
    QUEUE_LENGTH,
    STEP,
    Metric,
)
from transcription.metrics import names
from transcription.metrics.queries import Aggregation

Unit = Literal["count", "s", "bytes", "ratio", "per_s", "per_min"]


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a chart goes, and how far apart its points are; never more than 180 of them, so that a phone can draw it."""

    title: Promise
    length: timedelta
    step: timedelta


RANGES: Final = {
    "15m": Range(_("15 minutes"), timedelta(minutes=15), timedelta(seconds=10)),
    "1h": Range(_("1 hour"), timedelta(hours=1), timedelta(seconds=30)),
    "6h": Range(_("6 hours"), timedelta(hours=6), timedelta(minutes=3)),
    "24h": Range(_("24 hours"), timedelta(hours=24), timedelta(minutes=10)),
    "7d": Range(_("7 days"), timedelta(days=7), timedelta(hours=1)),
    "30d": Range(_("30 days"), timedelta(days=30), timedelta(hours=6)),
}
DEFAULT_RANGE: Final = "1h"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or with `by` one for each value of these labels. `scale`: what stored values are multiplied with."""

    key: str
    title: Promise | None
    metric: Metric
    how: Aggregation
    by: tuple[str, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Chart:
    """`is_optional`: left out where there is nothing to draw, such as a GPU."""

    key: str
    title: Promise
    note: Promise
    unit: Unit
    lines: tuple[Line, ...]
    is_optional: bool = False


CHARTS: Final = (
    Chart(
        "connections",
        _("Connections and speakers"),
        _("Sockets that are open, and sessions in which somebody speaks, of all web processes together."),
        "count",
        (
            Line("connections", _("connections"), names.CONNECTIONS, "last"),
            Line("sessions", _("sessions"), names.SESSIONS_LIVE, "last"),
            Line("speaking", _("speaking"), names.STREAMS_SPEAKING, "last"),
        ),
    ),
    Chart(
        "final",
        _("Wait for a final"),
        _("From when an utterance was over until its final text was sent."),
        "s",
        (
            Line("p50", _("median"), names.FINAL, "p50"),
            Line("p95", _("95th percentile"), names.FINAL, "p95"),
            Line("p99", _("99th percentile"), names.FINAL, "p99"),
        ),
    ),
    Chart(
        "first_text",
        _("Wait for the first text"),
        _("From the beginning of a session's speech to its first text."),
        "s",
        (
            Line("p50", _("median"), names.FIRST_TEXT, "p50"),
            Line("p95", _("95th percentile"), names.FIRST_TEXT, "p95"),
        ),
    ),
    Chart(
        "partial_age",
        _("Age of partials"),
        _("From the end of the audio that a partial covers until it was sent."),
        "s",
        (
            Line("p50", _("median"), names.PARTIAL_AGE, "p50"),
            Line("p95", _("95th percentile"), names.PARTIAL_AGE, "p95"),
        ),
    ),
    Chart(
        "audio",
        _("Audio"),
        _("Seconds of audio that arrive each second."),
        "count",
        (Line("audio", _("audio per second (s)"), names.AUDIO, "rate"),),
    ),
    Chart(
        "segments",
        _("Finals"),
        _("Finals sent per minute, by model."),
        "per_min",
        (Line("segments", None, names.SEGMENTS, "rate", ("model",), scale=60.0),),
    ),
    Chart(
        "errors",
        _("Errors and refusals"),
        _("Sessions that ended with an error, and sockets and sessions that were refused, per minute."),
        "per_min",
        (
            Line("errors", _("errors"), names.SESSION_ERRORS, "rate", scale=60.0),
            Line("refusals", _("refusals"), names.REFUSALS, "rate", scale=60.0),
        ),
    ),
    Chart(
        "queue",
        _("Queue"),
        _("Streams that wait for a step of the engine, and streams in one step."),
        "count",
        (
            Line("waiting", _("waiting"), QUEUE_LENGTH, "last"),
            Line("batch", _("in one step"), BATCH_SIZE, "mean"),
        ),
    ),
    Chart(
        "waits",
        _("Time of a step"),
        _("How long a stream waited for its step, and how long the step took (95th percentile)."),
        "s",
        (
            Line("wait", _("waiting"), QUEUE_AGE, "p95"),
            Line("step", _("step"), STEP, "p95"),
        ),
    ),
    Chart(
        "busy",
        _("Recognition is busy"),
        _("Share of the time in which the recognition thread of a process did not rest."),
        "ratio",
        (Line("busy", None, BUSY, "mean", ("node",)),),
    ),
    Chart(
        "cpu",
        _("CPU"),
        _("CPU cores that each process keeps busy."),
        "count",
        (Line("cpu", None, CPU, "rate", ("node",)),),
    ),
    Chart(
        "memory",
        _("Memory"),
        _("Memory of each process."),
        "bytes",
        (Line("memory", None, MEMORY, "last", ("node",)),),
    ),
    Chart(
        "gpu",
        _("GPU"),
        _("Share of the time in which the GPU computed."),
        "ratio",
        (Line("gpu", None, GPU_UTILISATION, "mean", ("node",)),),
        is_optional=True,
    ),
    Chart(
        "gpu_memory",
        _("Memory of the GPU"),
        _("In use by all programs, and in total."),
        "bytes",
        (Line("gpu_memory", None, GPU_MEMORY, "last", ("kind",)),),
        is_optional=True,
    ),
    Chart(
        "wer",
        _("Wrong words"),
        _("Share of the words of the reference clips that were heard wrongly, by model and language."),
        "ratio",
        (Line("wer", None, names.CANARY_WER, "last", ("model", "language")),),
        is_optional=True,
    ),
)


@dataclass(frozen=True, slots=True)
class TileSpec:
    """A number of now: what was measured in the last `window`."""

    key: str
    title: Promise
    unit: Unit
    metric: Metric
    how: Aggregation
    window: timedelta
    per: Metric | None = None


TILES: Final = (
    TileSpec("final_p95", _("wait for a final (p95, 5 min)"), "s", names.FINAL, "p95", timedelta(minutes=5)),
    TileSpec("first_text_p95", _("wait for the first text (p95, 5 min)"), "s", names.FIRST_TEXT, "p95", timedelta(minutes=5)),
    TileSpec(
        "error_share", _("sessions with an error, last hour"), "ratio",
        names.SESSION_ERRORS, "sum", timedelta(hours=1), names.SESSIONS_STARTED,
    ),
)  # fmt: skip
