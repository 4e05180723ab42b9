"""What the terminal, or a collector, gets to read of the supervisor and its children."""

import json
from io import StringIO
from typing import Any

import pytest

from asr_project.serve.console import Console, sentence_of

LOGGED = '{"time": "2026-01-01T00:00:00.000+00:00", "level": "WARNING", "logger": "transcription", "message": "no room"}'


@pytest.fixture
def stream() -> StringIO:
    return StringIO()


def lines_of(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_for_a_person_begins_with_the_name_of_its_process(stream: StringIO) -> None:
    console = Console(stream)
    console.relay("web", "no room")
    console.say("Stopping.")

    assert stream.getvalue() == "web         │ no room\nhark        │ Stopping.\n"


def test_a_json_line_of_a_child_is_kept_and_gets_the_name_of_its_process(stream: StringIO) -> None:
    Console(stream, "json").relay("web", LOGGED)

    assert lines_of(stream) == [{**json.loads(LOGGED), "process": "web"}]


@pytest.mark.parametrize("line", ["Segmentation fault", '{"time": half a line', '{"other": "json"}', "Grüße"])
def test_what_a_child_says_otherwise_becomes_a_json_line(stream: StringIO, line: str) -> None:
    Console(stream, "json").relay("inference-0", line)

    (record,) = lines_of(stream)
    assert (record["process"], record["logger"], record["level"], record["message"]) == ("inference-0", "output", "INFO", line)
    assert {"time", "node"} <= set(record)


def test_the_supervisor_says_how_bad_it_is(stream: StringIO) -> None:
    Console(stream, "json").say("web does not answer any more and is killed.", "ERROR")

    (record,) = lines_of(stream)
    assert (record["process"], record["level"]) == ("hark", "ERROR")


def test_a_secret_in_what_a_child_says_past_its_log_is_left_out(stream: StringIO) -> None:
    Console(stream, "json").relay("web", "cannot connect to postgresql://hark:s3cret@db.example/hark")

    assert "s3cret" not in stream.getvalue()


def test_the_reason_of_a_failed_start_is_its_sentence_in_both_formats() -> None:
    assert sentence_of(LOGGED) == "no room"
    assert sentence_of("web: no room") == "web: no room"
