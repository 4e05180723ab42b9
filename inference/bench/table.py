"""What was measured, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inference.bench.choice import Row
from inference.bench.measure import BATCH
from inference.bench.options import REFERENCE

COLUMNS = (
    "precision",
    "partial",
    f"of {BATCH} at once",
    "final",
    "streams per core",
    f": {REFERENCE}",
    "memory",
    "loaded in",
    "word error",
    f"words not as {REFERENCE}",
)


@dataclass(frozen=True, slots=True)
class Report:
    """Of one model. `by_rule`: what `auto` is without a measurement; empty for an engine that knows no precision."""

    model: str
    rows: Sequence[Row]
    pick: Row
    by_rule: str


def table(report: Report) -> str:
    """A heading, a line for each precision, and the pick."""
    cells = [COLUMNS, *(_cells(row) for row in report.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    measured = report.rows[0].measured
    heading = f"{report.model}: {len(measured.texts)} recordings, {measured.audio_s:.0f} s, {report.rows[0].num_words} words"
    return "\n".join([heading, *lines, _verdict(report), ""])


def _cells(row: Row) -> tuple[str, ...]:
    measured = row.measured
    return (
        row.precision,
        f"{measured.partial_ms:.1f} ms",
        f"{measured.batched_partial_ms:.1f} ms",
        f"{measured.final_ms:.1f} ms",
        f"{measured.streams_per_core:.1f}",
        f"{row.speedup:.2f}",
        f"{measured.resident_bytes / 1e6:.0f} MB",
        f"{measured.load_ms / 1000:.1f} s",
        "?" if row.wer_percent is None else f"{row.wer_percent:.1f} %",
        f"{row.num_different} ({row.different_percent:.1f} %)",
    )


def _verdict(report: Report) -> str:
    if not report.by_rule:
        return "no pick: it has one precision only"
    return f"pick: {report.pick.precision}; auto without a measurement: {report.by_rule}"


def as_json(report: Report) -> dict[str, Any]:
    """Texts included."""
    rows = [
        {
            "precision": row.precision,
            **asdict(row.measured),
            "speedup": row.speedup,
            "num_different": row.num_different,
            "num_words": row.num_words,
            "num_wrong": row.num_wrong,
            "num_spoken": row.num_spoken,
            "wer_percent": row.wer_percent,
        }
        for row in report.rows
    ]
    return {"model": report.model, "pick": report.pick.precision, "by_rule": report.by_rule, "rows": rows}
