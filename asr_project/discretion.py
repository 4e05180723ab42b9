"""What a log never says: credentials, and what somebody said or searched for, whatever the level and whoever logs.

Three things see to it. Libraries that write requests, frames or statements into their finer levels are held at coarser ones
(`DISCREET_LEVELS`). Whatever is logged all the same goes through a `DiscreetFormatter`. And Daphne, whose access log goes past
logging, writes addresses without their query (`cut_daphnes_queries`).
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from daphne.access import AccessLogGenerator
from django.db import Error as DjangoDatabaseError
from psycopg import Error as DatabaseError

from inference.logs import JsonFormatter, LineFormatter

DISCREET_LEVELS: Final = {
    "uvicorn": "WARNING",
    "uvicorn.error": "WARNING",  # INFO: addresses with their query, so with tickets; DEBUG: every header and frame
    "uvicorn.access": "WARNING",
    "uvicorn.asgi": "WARNING",
    "websockets": "WARNING",
    "daphne": "WARNING",  # INFO: addresses with their query
    "django.db.backends": "INFO",  # DEBUG: statements with what is stored by them
    "django.template": "INFO",
    "celery": "WARNING",  # INFO: results of tasks, and a line for each that beat sends; DEBUG: their arguments
    "kombu": "INFO",
    "amqp": "INFO",
}


def coarser(level: str, other: str) -> str:
    """The one of two levels that says less."""
    return max(level, other, key=lambda name: logging.getLevelNamesMapping()[name])


class DiscreetFormatter(LineFormatter):
    """As text, and leaves out what nobody may read in it. PostgreSQL quotes values and whole rows in its errors: only their code
    and constraint are kept."""

    def cleaned(self, text: str, error: BaseException | None) -> str:
        for cause in causes(error):
            if isinstance(cause, DatabaseError | DjangoDatabaseError) and (code := code_of(cause)):
                text = without(text, str(cause), code)
        return super().cleaned(text, error)


class DiscreetJsonFormatter(DiscreetFormatter, JsonFormatter):
    """The same as JSON lines."""


def without(text: str, said: str, instead: str) -> str:
    """`text` with `instead` where `said` is quoted: as it is, as repr() writes it, or line by line, as groups of errors do."""
    for quoted in (said, repr(said)[1:-1], *filter(str.strip, said.splitlines())):
        text = text.replace(quoted, instead) if quoted else text
    return text


def cut_daphnes_queries() -> None:
    """Daphne prints an access log unless it is told not to, and offers no other way to say what stands in it."""
    write_entry: Callable[..., None] = AccessLogGenerator.write_entry

    def write_without_query(log: AccessLogGenerator, host: str, date: Any, request: str, *more: Any, **others: Any) -> None:
        write_entry(log, host, date, request.partition("?")[0], *more, **others)

    AccessLogGenerator.write_entry = write_without_query


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, what led to it, and what a group of errors holds."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, *(cause.exceptions if isinstance(cause, BaseExceptionGroup) else ())]


def code_of(error: BaseException) -> str:
    """PostgreSQL's code for what went wrong; empty for trouble with the connection, which holds no values."""
    for cause in causes(error):
        if isinstance(cause, DatabaseError) and cause.sqlstate:
            constraint = f", constraint {cause.diag.constraint_name}" if cause.diag.constraint_name else ""
            return f"SQLSTATE {cause.sqlstate}{constraint} (the rest may hold what was said)"
    return ""
