"""All metrics as a Markdown table, for people and for the documentation. Pure."""

from typing import Final

from inference.metrics import Metric
from transcription.metrics.names import EVERY, measured_by

HEAD: Final = "| metric | kind | labels | measured by | meaning |\n|---|---|---|---|---|\n"


def table() -> str:
    return HEAD + "".join(map(row, EVERY))


def row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {measured_by(metric) or 'every process'} | {metric.help} |\n"
