"""No log line holds a credential or what somebody said."""

import logging
import logging.config
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from daphne.access import AccessLogGenerator
from django.conf import settings
from django.db import DatabaseError, IntegrityError, OperationalError, connection

from asr_project.discretion import DISCREET_LEVELS, DiscreetFormatter, coarser, redacted
from tests.factories import make_segment, make_session

CANARY = "purple walrus on a bicycle"


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
        "session 7d1f6a52-3c0e-4a55-9b55-1f6f1f0c8a11: the client does not read; closing",
        "PostgreSQL does not answer; 3 entries wait, next try in 0.4 s",
        "Unauthorized: /api/v1/sessions/",
        "is /stream there? nobody knows",
        "the key gateway (hark_Ab3dEf6h_…) was revoked",
        "connection to postgresql://hark@db.example/hark failed",
    ],
)
def test_everything_else_is_left_as_it_is(line: str) -> None:
    assert redacted(line) == line


def traceback_of(error: BaseException) -> str:
    return DiscreetFormatter().formatException((type(error), error, error.__traceback__))


@pytest.mark.django_db(transaction=True)
def test_a_row_that_postgresql_quotes_is_left_out_of_the_traceback() -> None:
    session = make_session()
    with pytest.raises(IntegrityError) as caught:
        make_segment(session, 0, CANARY, end_ms=-1)
    assert CANARY in str(caught.value), "PostgreSQL quotes the row"

    text = traceback_of(caught.value)

    assert CANARY not in text
    assert "SQLSTATE 23514, constraint " in text
    assert "IntegrityError" in text
    assert "factories.py" in text, "where it happened is still told"


@pytest.mark.django_db
def test_a_value_that_postgresql_quotes_is_left_out_of_the_traceback() -> None:
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT %s::integer", [CANARY])
    assert CANARY in str(caught.value)

    assert CANARY not in traceback_of(caught.value)


def test_trouble_with_the_connection_is_told_in_full() -> None:
    assert "no route to host" in traceback_of(OperationalError("no route to host"))


@pytest.fixture
def everything_logged() -> Iterator[list[str]]:
    """What leaves by the console with the settings' logging at level DEBUG."""
    lines: list[str] = []
    config: dict[str, Any] = dict(settings.LOGGING)
    config["root"] = {**config["root"], "level": "DEBUG"}
    before = {name: logging.getLogger(name).level for name in DISCREET_LEVELS}
    root_level = logging.getLogger().level
    handlers = list(logging.getLogger().handlers)
    logging.config.dictConfig(config)
    (console,) = [handler for handler in logging.getLogger().handlers if handler not in handlers]
    console.emit = lambda record: lines.append(console.format(record))  # type: ignore[method-assign]
    yield lines
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(root_level)


def test_what_libraries_say_of_frames_and_statements_is_held_back(everything_logged: list[str]) -> None:
    logging.getLogger("uvicorn.error").debug("< TEXT '%s' [26 bytes]", CANARY)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "127.0.0.1", "/stream?ticket=s3cret")
    logging.getLogger("uvicorn.access").info("GET /?q=%s", CANARY)
    logging.getLogger("django.db.backends").debug("INSERT %s", CANARY)
    logging.getLogger("transcription").debug("this one is ours")
    logging.getLogger("uvicorn.error").warning("GET /stream?ticket=s3cret went wrong")

    assert [line.split(" ", 4)[-1] for line in everything_logged] == [
        "this one is ours", "GET /stream?… went wrong",
    ]  # fmt: skip


def test_nobody_writes_past_the_discreet_handler() -> None:
    config: dict[str, Any] = dict(settings.LOGGING)
    loggers: dict[str, dict[str, Any]] = config["loggers"]

    assert all(given.get("handlers", []) == [] and given.get("propagate", True) for given in loggers.values())
    assert {"django", "django.server", "uvicorn", "uvicorn.access"} <= set(loggers)


def test_a_quieter_server_quietens_libraries_too() -> None:
    assert (coarser("ERROR", "WARNING"), coarser("DEBUG", "WARNING")) == ("ERROR", "WARNING")


def test_daphnes_access_log_has_addresses_without_their_query() -> None:
    import asr_project.asgi  # noqa: F401 -- as Daphne does

    written = StringIO()
    details = {"client": "127.0.0.1:1", "method": "GET", "path": f"/history/?q={CANARY}", "status": 200, "size": 7}
    AccessLogGenerator(written)("http", "complete", details)

    assert '"GET /history/" 200 7' in written.getvalue()
    assert CANARY not in written.getvalue()
