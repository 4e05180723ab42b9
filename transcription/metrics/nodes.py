"""The name under which a process stores what it measures: one process each, and the same ones again after a restart."""

from typing import Final

from django.conf import settings
from django.db import connection

MAX_PER_HOST: Final = 64
NODE_LOCKS: Final = 0x4841_0010


class TooManyProcessesError(Exception):
    """More processes of a kind on one host than there are names."""


def claim(kind: str) -> str:
    """A name for this process, `web@host` or `web@host-1` and so on, that is its own as long as this thread's connection lasts.

    kind: `web` or `worker`.

    Raises:
        TooManyProcessesError: there is none left.
        DatabaseError, InterfaceError: PostgreSQL does not answer.
    """
    first = f"{kind}@{settings.HARK_NODE}"
    for node in (first, *(f"{first}-{number}" for number in range(1, MAX_PER_HOST))):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [NODE_LOCKS, node])
            if cursor.fetchone() == (True,):
                return node
    raise TooManyProcessesError(f"{MAX_PER_HOST} processes measure as {first}; give machines names of their own (HARK_NODE).")
