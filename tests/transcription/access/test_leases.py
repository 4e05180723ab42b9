"""Sockets are counted over all web processes, exactly, and a process that died is forgotten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone

from tests.factories import make_user
from transcription.access.leases import Lease, Limit, TooManySockets, drop_lease, renew_leases, take_lease
from transcription.models import SocketLease

pytestmark = pytest.mark.django_db
ADDRESS = "192.0.2.1"


def by_address(max_sockets: int, address: str = ADDRESS) -> Limit:
    return Limit("address", address, max_sockets, "Your address")


def a_lease(address: str = ADDRESS, user_id: int | None = None) -> Lease:
    return Lease(uuid4(), user_id, None, address)


def test_as_many_sockets_as_allowed_and_no_more() -> None:
    for _ in range(3):
        take_lease(a_lease(), [by_address(3)])

    with pytest.raises(TooManySockets, match="Your address has 3 sockets open"):
        take_lease(a_lease(), [by_address(3)])
    assert SocketLease.objects.count() == 3


def test_a_place_that_is_given_back_can_be_taken_again() -> None:
    first = a_lease()
    take_lease(first, [by_address(1)])
    drop_lease(first.id)

    take_lease(a_lease(), [by_address(1)])


def test_every_limit_counts_for_itself() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    of_alice, of_bob = Limit("user_id", alice.pk, 1, "This user"), Limit("user_id", bob.pk, 1, "This user")
    take_lease(a_lease(user_id=alice.pk), [of_alice, by_address(2)])

    with pytest.raises(TooManySockets, match="This user"):
        take_lease(a_lease(user_id=alice.pk), [of_alice, by_address(2)])
    take_lease(a_lease(user_id=bob.pk), [of_bob, by_address(2)])
    with pytest.raises(TooManySockets, match="Your address"):
        take_lease(a_lease(), [by_address(2)])


def test_a_process_that_died_is_forgotten_after_a_minute() -> None:
    take_lease(a_lease(), [by_address(1)])
    (row,) = SocketLease.objects.all()
    assert row.expires_at - timezone.now() <= timedelta(seconds=60)

    SocketLease.objects.update(expires_at=timezone.now())

    take_lease(a_lease(), [by_address(1)])


def test_renewing_keeps_a_socket_counted_even_if_it_was_forgotten_and_throws_away_what_is_over() -> None:
    kept, forgotten, dead = a_lease(), a_lease(), a_lease()
    for lease in (kept, dead):
        take_lease(lease, [by_address(9)])
    SocketLease.objects.filter(pk=dead.id).update(expires_at=timezone.now())

    renew_leases([kept, forgotten])

    assert set(SocketLease.objects.values_list("pk", flat=True)) == {kept.id, forgotten.id}
    with pytest.raises(TooManySockets):
        take_lease(a_lease(), [by_address(2)])


@pytest.mark.django_db(transaction=True)
def test_twelve_processes_at_once_share_five_places() -> None:
    def take(_number: int) -> UUID | None:
        lease = a_lease()
        try:
            take_lease(lease, [by_address(5)])
        except TooManySockets:
            return None
        finally:
            connections.close_all()
        return lease.id

    with ThreadPoolExecutor(12) as pool:
        taken = [lease for lease in pool.map(take, range(12)) if lease is not None]

    assert len(taken) == SocketLease.objects.count() == 5
