"""docs/metrics.md lists every metric, as the code has it."""

from tests.docs.pages import read
from transcription.metrics.names import EVERY, measured_by


def test_the_table_has_every_metric_and_no_other() -> None:
    table = read("docs/metrics.md").split("## All metrics", 1)[1].split("\n\n", 2)[1]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert rows == [
        [
            f"`{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels),
            measured_by(metric) or "every process",
            metric.help,
        ]
        for metric in EVERY
    ]
