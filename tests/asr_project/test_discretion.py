"""No log line holds a credential or what somebody said."""

import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from copy import deepcopy
from io import StringIO

import pytest
import uvicorn
from celery.app.log import Logging as CeleryLogging
from daphne.access import AccessLogGenerator
from django.db import DatabaseError, IntegrityError, OperationalError, connection
from django.utils.log import DEFAULT_LOGGING
from pytest_django import Settings

from asr_project.celery import app
from asr_project.discretion import DiscreetFormatter, DiscreetJsonFormatter, coarser
from tests.factories import make_segment, make_session

CANARY = "purple walrus on a bicycle"


FORMATTERS = {"text": DiscreetFormatter(), "json": DiscreetJsonFormatter()}


def logged(error: BaseException, message: str = "it failed") -> dict[str, str]:
    """What is written of `error` in each format, with the line breaks that its reader sees."""
    record = logging.LogRecord("any", logging.ERROR, __file__, 1, message, (), (type(error), error, error.__traceback__))
    return {name: formatter.format(record).replace("\\n", "\n") for name, formatter in FORMATTERS.items()}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_postgresql_quotes_is_left_out_of_the_traceback() -> None:
    session = make_session()
    with pytest.raises(IntegrityError) as caught:
        make_segment(session, 0, f"it's a {CANARY}", end_ms=-1)  # the apostrophe is escaped where the error is quoted
    assert CANARY in str(caught.value), "PostgreSQL quotes the row"

    for text in logged(caught.value, f"task failed: {caught.value!r}").values():
        assert CANARY not in text
        assert "task failed: IntegrityError('SQLSTATE 23514, constraint " in text
        assert "factories.py" in text, "where it happened is still told"


@pytest.mark.django_db(transaction=True)
def test_a_row_that_postgresql_quotes_is_left_out_of_a_group_of_errors() -> None:
    session = make_session()
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 -- the traceback of a group is indented line by line
        try:
            make_segment(session, 0, CANARY, end_ms=-1)
        except IntegrityError as err:
            raise ExceptionGroup("two tasks failed", [err, ValueError("another")]) from None

    for text in logged(caught.value).values():
        assert CANARY not in text
        assert "ValueError: another" in text


@pytest.mark.django_db
def test_a_value_that_postgresql_quotes_is_left_out_of_the_traceback() -> None:
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT %s::integer", [CANARY])
    assert CANARY in str(caught.value)

    assert all(CANARY not in text for text in logged(caught.value).values())


def test_trouble_with_the_connection_is_told_in_full() -> None:
    assert all("no route to host" in text for text in logged(OperationalError("no route to host")).values())


Read = Callable[[], list[str]]


@pytest.fixture(params=["text", "json"])
def log_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def everything_logged(log_format: str, settings: Settings) -> Iterator[Read]:
    """Reads the messages that have left by the console, with the settings' logging at level DEBUG, as when a server starts."""
    config = deepcopy(settings.LOGGING)
    config["root"]["level"] = "DEBUG"
    config["handlers"]["console"] |= {"formatter": log_format, "stream": (written := StringIO())}
    settings.LOGGING = config
    before = {name: logging.getLogger(name).level for name in ("", *config["loggers"])}
    handlers = list(logging.getLogger().handlers)
    uvicorn.Config("asr_project.asgi:application", log_level="trace")  # gives its loggers handlers of their own
    logging.config.dictConfig(DEFAULT_LOGGING)  # and Django does the same
    logging.config.dictConfig(config)

    def read() -> list[str]:
        lines = written.getvalue().splitlines()
        return [json.loads(line)["message"] if log_format == "json" else line.split(" ", 4)[-1] for line in lines]

    yield read
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().handlers[:] = handlers


def test_what_libraries_say_of_frames_and_statements_is_held_back(everything_logged: Read) -> None:
    logging.getLogger("uvicorn.error").debug("< TEXT '%s' [26 bytes]", CANARY)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "127.0.0.1", "/stream?ticket=s3cret")
    logging.getLogger("uvicorn.access").info("GET /?q=%s", CANARY)
    logging.getLogger("django.db.backends").debug("INSERT %s", CANARY)
    logging.getLogger("celery.app.trace").info("Task %s succeeded: %s", "hear", CANARY)

    assert everything_logged() == []


@pytest.mark.parametrize("name", ["transcription", "uvicorn.error", "uvicorn.access", "django.server", "celery.app.trace"])
def test_what_is_worth_telling_leaves_once_without_secrets(everything_logged: Read, name: str) -> None:
    logging.getLogger(name).warning("GET /stream?ticket=s3cret went wrong")

    assert everything_logged() == ["GET /stream?… went wrong"]


@pytest.mark.django_db(transaction=True)
def test_a_task_that_failed_in_the_database_is_told_of_without_the_row(everything_logged: Read) -> None:
    session = make_session()

    def store_nonsense() -> None:
        make_segment(session, 0, CANARY, end_ms=-1)

    CeleryLogging(app).setup(logging.DEBUG)  # as a worker does at its start
    app.task(store_nonsense, name="tests.fail", shared=False).apply()
    app.tasks.unregister("tests.fail")

    told = everything_logged()
    assert "Task tests.fail[" in told[0]
    assert "SQLSTATE 23514" in told[0]
    assert CANARY not in "".join(told)


def test_a_quieter_server_quietens_libraries_too() -> None:
    assert (coarser("ERROR", "WARNING"), coarser("DEBUG", "WARNING")) == ("ERROR", "WARNING")


def test_daphnes_access_log_has_addresses_without_their_query() -> None:
    import asr_project.asgi  # noqa: F401 -- as Daphne does

    written = StringIO()
    details = {"client": "127.0.0.1:1", "method": "GET", "path": f"/history/?q={CANARY}", "status": 200, "size": 7}
    AccessLogGenerator(written)("http", "complete", details)

    assert '"GET /history/" 200 7' in written.getvalue()
    assert CANARY not in written.getvalue()
