"""How many sockets a key, a user and an address have open, over all web processes of one database.

Each counted socket is a row that its process renews while it is open. A process that dies leaves rows behind; they count
for a minute at most. All functions block and are called from a thread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID
from zlib import crc32

from django.db import connection, transaction
from django.db.models import Count, Q
from django.utils import timezone

from transcription.models import SocketLease

LEASE_S: Final = 60
LOCK_CLASS: Final = 0x4841  # "HA": keeps our advisory locks apart from those of other programs on the database


class TooManySockets(Exception):
    """`whose` has `limit` sockets open already."""

    def __init__(self, whose: str, limit: int) -> None:
        super().__init__(f"{whose} has {limit} sockets open, which is the limit. Close one, or ask the operator for more.")


@dataclass(frozen=True, slots=True)
class Limit:
    """`field`: the column of a lease that is counted. `whose` stands at the beginning of a sentence."""

    field: str
    value: int | str
    max_sockets: int
    whose: str


@dataclass(frozen=True, slots=True)
class Lease:
    id: UUID
    user_id: int | None
    key_id: int | None
    address: str

    def row(self) -> SocketLease:
        expires_at = timezone.now() + timedelta(seconds=LEASE_S)
        return SocketLease(id=self.id, user_id=self.user_id, key_id=self.key_id, address=self.address, expires_at=expires_at)


@transaction.atomic
def take_lease(lease: Lease, limits: Sequence[Limit]) -> None:
    """Count one more socket, unless that is too many. Two processes at once cannot both take the last place.

    Raises:
        TooManySockets: one of `limits` is reached.
    """
    lock(limits)
    counts = count_sockets(limits)
    for limit in limits:
        if counts[limit.field] >= limit.max_sockets:
            raise TooManySockets(limit.whose, limit.max_sockets)
    lease.row().save(force_insert=True)


def lock(limits: Sequence[Limit]) -> None:
    """Until the transaction ends; always in the same order, so that two cannot wait for each other."""
    numbers = sorted({crc32(f"{limit.field}:{limit.value}".encode()) - 2**31 for limit in limits})
    with connection.cursor() as cursor:
        for number in numbers:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, number])


def count_sockets(limits: Sequence[Limit]) -> dict[str, int]:
    """Open sockets by the field of each limit: one query."""
    matches = {limit.field: Q(**{limit.field: limit.value}) for limit in limits}
    any_of_them = Q()
    for match in matches.values():
        any_of_them |= match
    living = SocketLease.objects.filter(any_of_them, expires_at__gt=timezone.now())
    counts: dict[str, int] = living.aggregate(**{f"num_{field}": Count("pk", filter=match) for field, match in matches.items()})
    return {field: counts[f"num_{field}"] for field in matches}


def renew_leases(leases: Iterable[Lease]) -> None:
    """Say that these sockets are open, also of those that were forgotten while the database was away; forget dead ones."""
    SocketLease.objects.filter(expires_at__lte=timezone.now()).delete()
    rows = [lease.row() for lease in leases]
    SocketLease.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=["expires_at"])


def drop_lease(lease_id: UUID) -> None:
    SocketLease.objects.filter(pk=lease_id).delete()
