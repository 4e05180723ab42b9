"""Locks in PostgreSQL that say who carries a swap out. A worker that dies loses its connection, and with it its locks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from django.db import DatabaseError, InterfaceError, connection

ROUTE_LOCKS: Final = 0x4841_0001
SLOT_LOCKS: Final = 0x4841_0002
TENDING_LOCKS: Final = 0x4841_0003
NUM_SLOTS: Final = 2
"""Swaps that run at the same time over all workers: a worker has six threads left for all that must not wait."""


@contextmanager
def held(locks: int, number: int) -> Iterator[bool]:
    """Yields at once: whether the lock is ours until the end of the block. `number`: a key of 32 bits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [locks, number])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours:
            _release(locks, number)


def _release(locks: int, number: int) -> None:
    """With the connection, where it cannot be given back alone: the worker would keep both for a minute."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [locks, number])
    except (DatabaseError, InterfaceError):
        connection.close()


@contextmanager
def route_to_ourselves(route_id: int) -> Iterator[bool]:
    """Whether nobody else swaps a model of the route, and few enough do anywhere."""
    with held(ROUTE_LOCKS, route_id % 2**31) as is_ours, ExitStack() as stack:
        yield is_ours and any(stack.enter_context(held(SLOT_LOCKS, number)) for number in range(NUM_SLOTS))


@contextmanager
def tending_to_ourselves() -> Iterator[bool]:
    with held(TENDING_LOCKS, 0) as is_ours:
        yield is_ours
