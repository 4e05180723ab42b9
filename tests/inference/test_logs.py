"""Log lines as text and as JSON: what they hold, and that no secret is in them."""

import json
import logging
import os
import sys

import pytest

from inference.logs import JsonFormatter, LineFormatter, about, redacted, trace_id_of

SESSION = "7d1f6a52-3c0e-4a55-9b55-1f6f1f0c8a11"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("key hark_Ab3dEf6h_0123456789abcdefghijklmnopqrstuv was used", "0123456789abcdefghijklmnopqrstuv"),
        ("Authorization: Bearer hark_Ab3dEf6h_0123", "0123"),
        ("{'authorization': 'Bearer s3cret'}", "s3cret"),
        ('"WebSocket /stream?ticket=Tk-t_123&x=1" [accepted]', "Tk-t_123"),
        ("Cookie: csrftoken=abc; sessionid=s3cret", "s3cret"),
        ("GET /api/v1/sessions/?page_size=5&q=purple+walrus HTTP/1.1", "purple"),
        ('"GET /api/v1/sessions/?status=purple HTTP/1.1" 400', "purple"),
        ("password=s3cret for alice", "s3cret"),
        ("{'resume_token': 's3cret'}", "s3cret"),
        ("cannot connect to postgresql://hark:s3cret@db.example/hark", "s3cret"),
    ],
)
def test_secrets_are_left_out_of_a_line(line: str, secret: str) -> None:
    assert secret in line
    assert secret not in redacted(line)


@pytest.mark.parametrize(
    "line",
    [
        f"session {SESSION}: the client does not read; closing",
        "PostgreSQL does not answer; 3 entries wait, next try in 0.4 s",
        "Unauthorized: /api/v1/sessions/",
        "is /stream there? nobody knows",
        "the key gateway (hark_Ab3dEf6h_…) was revoked",
        "connection to postgresql://hark@db.example/hark failed",
    ],
)
def test_everything_else_is_left_as_it_is(line: str) -> None:
    assert redacted(line) == line


def record_of(message: object, *args: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("transcription.streaming", logging.WARNING, __file__, 1, message, args, None)
    record.__dict__.update(extra)
    return record


def failed(message: str) -> logging.LogRecord:
    """Of an exception whose text is `message`."""
    try:
        raise ValueError(message)
    except ValueError:
        return logging.LogRecord("inference", logging.ERROR, __file__, 1, "a step failed", (), sys.exc_info())


def test_a_json_line_says_when_where_how_bad_and_about_what() -> None:
    record = record_of("Final %d dropped", 3, **about(SESSION, segment=3))
    record.created = 1_700_000_000.25

    assert json.loads(JsonFormatter("north").format(record)) == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "WARNING",
        "logger": "transcription.streaming",
        "node": "north",
        "pid": os.getpid(),
        "session": SESSION,
        "segment": 3,
        "message": "Final 3 dropped",
    }


def test_a_traceback_stays_on_the_line_of_its_message() -> None:
    text = JsonFormatter().format(failed("no such row"))

    assert "\n" not in text
    assert json.loads(text)["message"] == "a step failed"
    assert json.loads(text)["traceback"].endswith("ValueError: no such row")


def test_what_looks_like_the_end_of_a_line_does_not_make_a_second_one() -> None:
    text = JsonFormatter().format(record_of('Not found: /a\n{"level": "INFO"}'))

    assert "\n" not in text


def test_secrets_are_left_out_of_every_field_and_the_line_can_still_be_read() -> None:
    record = failed("password=s3cret")
    record.msg, record.session, record.stack_info = "ticket=s3cret", "token=s3cret", "Cookie: a=s3cret"

    text = JsonFormatter().format(record)

    assert "s3cret" not in text
    assert json.loads(text)["message"] == "ticket=…"
    assert "s3cret" not in LineFormatter().format(record)


def test_what_libraries_hang_on_a_record_is_not_written() -> None:
    record = record_of({"args": "zulu yankee"}, request="zulu yankee", data={"args": "zulu"}, segment=["zulu"])

    line = json.loads(JsonFormatter().format(record))

    assert set(line) == {"time", "level", "logger", "node", "pid", "message"}


def test_a_line_about_a_segment_names_its_trace_where_there_are_traces() -> None:
    formatter = JsonFormatter(has_traces=True)

    about_segment = json.loads(formatter.format(record_of("", **about(SESSION, segment=0))))
    about_session = json.loads(formatter.format(record_of("", **about(SESSION))))

    assert int(about_segment["trace_id"], 16) == trace_id_of(SESSION, 0)
    assert "trace_id" not in about_session


def test_every_segment_has_a_trace_of_its_own() -> None:
    traces = {trace_id_of(session, number) for session in (SESSION, "other") for number in range(100)}

    assert len(traces) == 200
    assert all(0 < trace < 2**128 for trace in traces)
