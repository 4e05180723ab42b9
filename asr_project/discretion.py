"""What a log never says: credentials, and what somebody said or searched for, whatever the level and whoever logs.

Three things see to it. Libraries that write requests, frames or statements into their finer levels are held at coarser ones
(`DISCREET_LEVELS`). Whatever is logged all the same goes through `DiscreetFormatter`. And Daphne, whose access log goes past
logging, writes addresses without their query (`cut_daphnes_queries`).
"""

import logging
import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

from daphne.access import AccessLogGenerator
from django.db import Error as DjangoDatabaseError
from psycopg import Error as DatabaseError

DISCREET_LEVELS: Final = {
    "uvicorn": "WARNING",
    "uvicorn.error": "WARNING",  # INFO: addresses with their query, so with tickets; DEBUG: every header and frame
    "uvicorn.access": "WARNING",
    "uvicorn.asgi": "WARNING",
    "websockets": "WARNING",
    "daphne": "WARNING",  # INFO: addresses with their query
    "django.db.backends": "INFO",  # DEBUG: statements with what is stored by them
    "django.template": "INFO",
    "celery.pool": "INFO",  # DEBUG: arguments of tasks
    "kombu": "INFO",
    "amqp": "INFO",
}

SECRETS: Final = (
    (re.compile(r"hark_([A-Za-z0-9]{8})_[A-Za-z0-9]+"), r"hark_\1_…"),
    (re.compile(r"(?i)\b(bearer|basic)[ :=]+[^\s\"',]+"), r"\1 …"),
    (re.compile(r"(?i)(cookie|sessionid|password|ticket|token)(['\"]?\s*[=:]\s*)[^\s&;,]+"), r"\1\2…"),
    (re.compile(r"((?<![\w.])/[^\s?\"']*\?)[^\s\"']+"), r"\1…"),  # the query of an address, which may be a search
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@"), r"\1…@"),
)

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)  # as logging hands it over


def coarser(level: str, other: str) -> str:
    """The one of two levels that says less."""
    return max(level, other, key=lambda name: logging.getLevelNamesMapping()[name])


def redacted(text: str) -> str:
    """`text` without what looks like a key, a ticket, a cookie, a password, or the words of a search."""
    for pattern, kept in SECRETS:
        text = pattern.sub(kept, text)
    return text


class DiscreetFormatter(logging.Formatter):
    """Writes a line, and leaves out what nobody may read in it."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def formatException(self, ei: ExceptionInfo) -> str:
        """A traceback. PostgreSQL quotes values and whole rows in its errors: only their code and constraint are kept."""
        text = super().formatException(ei)
        for error in chain(ei[1]):
            if isinstance(error, DatabaseError | DjangoDatabaseError) and (code := code_of(error)) and str(error):
                text = text.replace(str(error), code)
        return text


def cut_daphnes_queries() -> None:
    """Daphne prints an access log unless it is told not to, and offers no other way to say what stands in it."""
    write_entry: Callable[..., None] = AccessLogGenerator.write_entry

    def write_without_query(log: AccessLogGenerator, host: str, date: Any, request: str, *more: Any, **others: Any) -> None:
        write_entry(log, host, date, request.partition("?")[0], *more, **others)

    AccessLogGenerator.write_entry = write_without_query


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def code_of(error: BaseException) -> str:
    """PostgreSQL's code for what went wrong; empty for trouble with the connection, which holds no values."""
    for cause in chain(error):
        if isinstance(cause, DatabaseError) and cause.sqlstate:
            constraint = f", constraint {cause.diag.constraint_name}" if cause.diag.constraint_name else ""
            return f"SQLSTATE {cause.sqlstate}{constraint} (the rest may hold what was said)"
    return ""
