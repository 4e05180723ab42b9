"""docs/operations.md: every file that is made of the metrics' names, every field of a log line, every span."""

import json
import logging
import re
import sys

from inference.logs import JsonFormatter, about
from tests.docs.pages import PROJECT_DIR, blocks, read
from tests.transcription.tracing.test_times import LIVE
from transcription.dashboards.table import table
from transcription.management.commands.metrics import MAKERS

PAGE = read("docs/operations.md")


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the first table of a section."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_command_prints_the_table_of_the_documentation() -> None:
    assert table() in read("docs/metrics.md")


def test_the_files_and_the_commands_that_make_them_exist() -> None:
    made = {command.strip("`"): file.strip("`") for file, command, _meaning in rows_of("Prometheus and Grafana")}

    assert set(made) == set(MAKERS) - {"list"}
    assert all((PROJECT_DIR / file).is_file() for file in made.values())


def test_every_field_of_a_log_line_is_explained_and_no_other() -> None:
    try:
        raise ValueError
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, __file__, 1, "", (), sys.exc_info(), sinfo="here")
    record.__dict__.update(about("session", segment=1, stream=2))
    line = json.loads(JsonFormatter(has_traces=True).format(record)) | {"process": "web"}

    assert {name.strip("`") for name, _meaning in rows_of("Logs")} == set(line)


def test_the_line_that_is_shown_is_one() -> None:
    (shown,) = blocks(PAGE, "json")

    assert set(json.loads(shown)) <= set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))


def test_every_span_is_explained() -> None:
    assert [name.strip("`") for name, _meaning in rows_of("Traces")] == [LIVE.whole.name, *(step.name for step in LIVE.steps())]
