"""Locks of swaps in PostgreSQL."""

from typing import Any

import pytest
from django.db import OperationalError, connection

from transcription.swaps.locks import ROUTE_LOCKS, held

pytestmark = pytest.mark.django_db(transaction=True)
NUMBER = 7


def num_held() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s", [ROUTE_LOCKS, NUMBER]
        )
        return int(cursor.fetchone()[0])


def test_a_lock_is_ours_until_the_end_of_the_block() -> None:
    with held(ROUTE_LOCKS, NUMBER) as is_ours:
        assert is_ours
        assert num_held() == 1

    assert num_held() == 0


def test_a_lock_that_cannot_be_given_back_goes_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> Any:
        raise OperationalError("a fault was switched on")

    with monkeypatch.context() as fault, held(ROUTE_LOCKS, NUMBER):
        fault.setattr(connection, "cursor", fail)

    monkeypatch.undo()
    assert num_held() == 0
