"""API keys and tickets: made once, found by what they are, and worth nothing when they are over."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.factories import make_session, make_user
from transcription.access import keys
from transcription.listeners import Listener, Scope
from transcription.models import ApiKey, StreamTicket

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def everything_stored() -> str:
    """All rows of the two tables as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM transcription_apikey k UNION ALL SELECT t::text FROM transcription_streamticket t")
        return "\n".join(row for (row,) in cursor.fetchall())


def test_a_key_has_a_public_part_and_a_secret_of_190_bits(alice: User) -> None:
    key, text = keys.make_key(alice, "gateway", {Scope.STREAM})

    assert re.fullmatch(r"hark_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}", text)
    assert text.split("_")[1] == key.prefix


def test_no_two_keys_are_alike(alice: User) -> None:
    texts = {keys.make_key(alice, str(number), {Scope.STREAM})[1] for number in range(50)}

    assert len(texts) == 50


def test_neither_key_nor_ticket_can_be_read_from_the_database(alice: User) -> None:
    _key, text = keys.make_key(alice, "gateway", {Scope.STREAM})
    ticket = keys.make_ticket(Listener(alice.pk, is_trusted_anonymous=False))

    assert text.rsplit("_", 1)[1] not in everything_stored()
    assert ticket not in everything_stored()
    assert keys.digest_of(ticket) in everything_stored(), "the search would find what is stored"


def test_a_key_is_found_with_one_query(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _key, text = keys.make_key(alice, "gateway", {Scope.STREAM})
    keys.use_key(text)

    with django_assert_num_queries(1):
        assert keys.use_key(text).owner == alice


def test_use_is_noted_at_most_once_a_minute(alice: User) -> None:
    key, text = keys.make_key(alice, "gateway", {Scope.STREAM})

    def noted_at() -> datetime | None:
        return ApiKey.objects.get(pk=key.pk).last_used_at

    assert noted_at() is None
    keys.use_key(text)
    first = noted_at()
    keys.use_key(text)

    assert first is not None
    assert noted_at() == first


def expire(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())


def disable_owner(key: ApiKey) -> None:
    User.objects.filter(pk=key.owner_id).update(is_active=False)


@pytest.mark.parametrize(
    ("end", "code"), [(keys.revoke_key, "key_revoked"), (expire, "key_expired"), (disable_owner, "user_disabled")]
)
def test_a_key_that_is_over_says_why(alice: User, end: Callable[[ApiKey], None], code: str) -> None:
    key, text = keys.make_key(alice, "gateway", {Scope.STREAM})
    keys.use_key(text)
    end(key)

    with pytest.raises(keys.UnusableKey) as caught:
        keys.use_key(text)

    assert caught.value.code == code
    assert text not in str(caught.value)
    assert not ApiKey.objects.living().exists()


@pytest.mark.parametrize("spoil", [str.lower, str.swapcase, lambda text: text[:-1], lambda text: text + "a", lambda text: ""])
def test_what_is_not_exactly_the_key_is_no_key(alice: User, spoil: Callable[[str], str]) -> None:
    _key, text = keys.make_key(alice, "gateway", {Scope.STREAM})

    with pytest.raises(keys.UnusableKey) as caught:
        keys.use_key(spoil(text))

    assert caught.value.code == "invalid_credentials"


def test_the_prefix_of_one_key_with_the_secret_of_another_is_no_key(alice: User) -> None:
    _first, first = keys.make_key(alice, "first", {Scope.STREAM})
    _second, second = keys.make_key(alice, "second", {Scope.STREAM})
    mixed = f"{first.rsplit('_', 1)[0]}_{second.rsplit('_', 1)[1]}"

    with pytest.raises(keys.UnusableKey):
        keys.use_key(mixed)


def test_the_listener_of_a_key_is_its_owner_within_its_scopes(alice: User) -> None:
    key, _text = keys.make_key(alice, "gateway", {Scope.READ, Scope.STREAM})

    listener = keys.listener_of_key(key)

    assert (listener.user_id, listener.key_id) == (alice.pk, key.pk)
    assert listener.scopes == {Scope.READ, Scope.STREAM}


def test_revoking_twice_keeps_the_first_time(alice: User) -> None:
    key, _text = keys.make_key(alice, "gateway", {Scope.STREAM})
    keys.revoke_key(key)
    revoked_at = key.revoked_at
    keys.revoke_key(key)

    assert revoked_at is not None
    assert key.revoked_at == revoked_at


def test_audio_of_today_is_counted_for_each_key_alone(alice: User) -> None:
    first, _text = keys.make_key(alice, "first", {Scope.STREAM})
    second, _text = keys.make_key(alice, "second", {Scope.STREAM})
    now = timezone.now()
    make_session(owner=alice, key=first, received_ms=4_000, started_at=now)
    make_session(owner=alice, key=first, received_ms=2_000, started_at=now)
    make_session(owner=alice, key=first, received_ms=9_000, started_at=now - timedelta(days=1))
    make_session(owner=alice, key=second, received_ms=1_000, started_at=now)

    assert keys.audio_today_ms([first.pk, second.pk]) == {first.pk: 6_000, second.pk: 1_000}


# --- tickets ------------------------------------------------------------------------------------------------------------


def test_a_ticket_is_spent_once_and_is_worth_who_it_was_made_for(alice: User) -> None:
    ticket = keys.make_ticket(Listener(alice.pk, is_trusted_anonymous=False), "session-1")

    spent = keys.spend_ticket(ticket)

    assert spent is not None
    assert (spent.listener.user_id, spent.session_key) == (alice.pk, "session-1")
    assert spent.listener.scopes == {Scope.STREAM}
    assert keys.spend_ticket(ticket) is None
    assert keys.spend_ticket("") is None


def test_a_ticket_is_good_for_a_minute(alice: User) -> None:
    ticket = keys.make_ticket(Listener(alice.pk, is_trusted_anonymous=False))
    (row,) = StreamTicket.objects.all()
    assert timedelta(seconds=55) < row.expires_at - timezone.now() <= timedelta(seconds=60)

    StreamTicket.objects.update(expires_at=timezone.now())

    assert keys.spend_ticket(ticket) is None


def test_expired_tickets_are_thrown_away(alice: User) -> None:
    listener = Listener(alice.pk, is_trusted_anonymous=False)
    keys.make_ticket(listener)
    StreamTicket.objects.update(expires_at=timezone.now())

    keys.make_ticket(listener)

    assert StreamTicket.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_ticket_that_is_spent_eight_times_at_once_is_spent_once(alice: User) -> None:
    def spend(ticket: str) -> bool:
        try:
            return keys.spend_ticket(ticket) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            ticket = keys.make_ticket(Listener(alice.pk, is_trusted_anonymous=False))
            assert sorted(pool.map(spend, [ticket] * 8)) == [False] * 7 + [True]
