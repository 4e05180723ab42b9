"""Who may open a socket: every kind of credential, good and bad, at the real application."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from asr_project.asgi import application
from tests.factories import make_session, make_user
from transcription.access import door, keys
from transcription.access.refusals import RESPONSE_EXTENSION
from transcription.listeners import ALL_SCOPES, Listener, Scope
from transcription.models import ApiKey, SocketLease, StreamTicket
from transcription.recognizer import close_client
from transcription.streaming.caretaking import stop_caretaker
from transcription.streaming.recorder import close_recorder
from transcription.streaming.rerouting import stop_rerouter
from transcription.streaming.warden import close_warden

pytestmark = pytest.mark.django_db(transaction=True)
STRANGER = "192.0.2.7"
NOBODY = Listener(user_id=None, is_trusted_anonymous=False)
Headers = list[tuple[bytes, bytes]]


@pytest.fixture(autouse=True)
async def web_process(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A server that trusts nobody unasked and has time, with a recognition that never answers."""
    monkeypatch.setattr(door, "PATIENCE_S", 60.0)
    settings.HARK_ANONYMOUS = "off"
    settings.HARK_INFERENCE_ADDRESS = "unix:/nonexistent/inference.sock"
    yield
    await stop_caretaker()
    await stop_rerouter()
    await close_warden()
    await close_client()
    await close_recorder()
    await sync_to_async(connections.close_all)()


class Answer:
    """What a handshake got: accepted with a subprotocol, or an HTTP status with an error code."""

    def __init__(self, event: dict[str, Any], body: dict[str, Any] | None) -> None:
        self.is_accepted = event["type"] == "websocket.accept"
        self.subprotocol = event.get("subprotocol")
        self.status = event.get("status")
        self.headers = {name.decode(): value.decode() for name, value in event.get("headers", ())}
        self.code = json.loads(body["body"])["error"]["code"] if body else None


class Visitor(WebsocketCommunicator):  # type: ignore[misc]  # channels publishes no types
    """Somebody at /stream of a server that can answer a handshake with HTTP."""

    def __init__(
        self, headers: Headers | None = None, query: str = "", subprotocols: list[str] | None = None, **scope: Any
    ) -> None:
        super().__init__(application, f"/stream{query}", headers=[(b"host", b"localhost"), *(headers or [])])
        defaults = {"client": (STRANGER, 50_000), "extensions": {RESPONSE_EXTENSION: {}}, "subprotocols": subprotocols or []}
        self.scope |= defaults | scope

    async def knock(self) -> Answer:
        await self.send_input({"type": "websocket.connect"})
        event = await self.receive_output(20)
        body = await self.receive_output(20) if event["type"] == "websocket.http.response.start" else None
        return Answer(event, body)

    async def knock_and_leave(self) -> Answer:
        answer = await self.knock()
        await self.go()
        return answer

    async def go(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(30)


def bearer(text: str) -> Headers:
    return [(b"authorization", f"Bearer {text}".encode())]


def cookie(client: Client) -> Headers:
    return [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]


@sync_to_async
def a_key(scopes: frozenset[Scope] = ALL_SCOPES, **quotas: Any) -> tuple[ApiKey, str]:
    owner = User.objects.filter(username="alice").first() or make_user("alice")
    return keys.make_key(owner, "gateway", scopes, **quotas)


@sync_to_async
def signed_in(name: str = "alice") -> tuple[User, Client]:
    user, client = make_user(name), Client()
    client.force_login(user)
    return user, client


@sync_to_async
def ticket_of(client: Client, **headers: str) -> str:
    response = client.post("/api/v1/stream-tickets/", headers=headers)
    assert response.status_code == 201, response.content
    return str(response.json()["ticket"])


async def test_a_key_opens_a_socket_by_header_and_by_subprotocol() -> None:
    _key, text = await a_key()

    by_header = await Visitor(bearer(text)).knock_and_leave()
    by_subprotocol = await Visitor(subprotocols=["token", text]).knock_and_leave()

    assert (by_header.is_accepted, by_header.subprotocol) == (True, None)
    assert (by_subprotocol.is_accepted, by_subprotocol.subprotocol) == (True, "token")


async def test_a_signed_in_session_opens_a_socket() -> None:
    _alice, client = await signed_in()

    assert (await Visitor(cookie(client)).knock_and_leave()).is_accepted


async def test_a_ticket_opens_one_socket_once() -> None:
    _alice, client = await signed_in()
    ticket = await ticket_of(client)

    first = await Visitor(query=f"?ticket={ticket}").knock_and_leave()
    second = await Visitor(query=f"?ticket={ticket}").knock_and_leave()

    assert first.is_accepted
    assert (second.status, second.code) == (401, "invalid_ticket")


async def test_a_key_can_fetch_a_ticket_which_dies_with_it() -> None:
    key, text = await a_key()
    first, second = [await ticket_of(Client(), Authorization=f"Bearer {text}") for _ in range(2)]

    good = await Visitor(query=f"?ticket={first}").knock_and_leave()
    await sync_to_async(keys.revoke_key)(key)
    bad = await Visitor(query=f"?ticket={second}").knock_and_leave()

    assert good.is_accepted
    assert (bad.status, bad.code) == (401, "invalid_ticket")


async def test_what_a_key_says_of_audio_holds_for_its_tickets_too() -> None:
    admissions = []
    for stores_audio in (True, False):
        _key, text = await a_key(stores_audio=stores_audio)
        ticket = await ticket_of(Client(), Authorization=f"Bearer {text}")
        admissions += [await sync_to_async(door.of_key)(text), await sync_to_async(door.of_ticket)(ticket, NOBODY)]

    assert [admission.listener.stores_audio for admission in admissions] == [True, True, False, False]


async def test_a_ticket_dies_with_the_login_that_fetched_it() -> None:
    _alice, client = await signed_in()
    ticket = await ticket_of(client)
    await sync_to_async(client.logout)()

    assert (await Visitor(query=f"?ticket={ticket}").knock_and_leave()).status == 401


async def test_a_local_visitors_ticket_is_worth_nothing_elsewhere(settings: Any) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    first, second = [await ticket_of(Client()) for _ in range(2)]

    here = await Visitor(query=f"?ticket={first}", client=("127.0.0.1", 1)).knock_and_leave()
    elsewhere = await Visitor(query=f"?ticket={second}").knock_and_leave()

    assert here.is_accepted
    assert elsewhere.status == 401


async def expired_key() -> Visitor:
    _key, text = await a_key(expires_at=timezone.now() - timedelta(seconds=1))
    return Visitor(bearer(text))


async def revoked_key() -> Visitor:
    key, text = await a_key()
    await sync_to_async(keys.revoke_key)(key)
    return Visitor(bearer(text))


async def key_of_a_disabled_user() -> Visitor:
    _key, text = await a_key()
    await User.objects.aupdate(is_active=False)
    return Visitor(subprotocols=["token", text])


async def expired_ticket() -> Visitor:
    _alice, client = await signed_in()
    ticket = await ticket_of(client)
    await StreamTicket.objects.aupdate(expires_at=timezone.now())
    return Visitor(query=f"?ticket={ticket}")


async def signed_out_session() -> Visitor:
    _alice, client = await signed_in()
    headers = cookie(client)
    await sync_to_async(client.logout)()
    return Visitor(headers)


async def session_of_a_disabled_user() -> Visitor:
    _alice, client = await signed_in()
    await User.objects.aupdate(is_active=False)
    return Visitor(cookie(client))


async def session_from_before_the_password_changed() -> Visitor:
    alice, client = await signed_in()
    await User.objects.filter(pk=alice.pk).aupdate(password="!another")
    return Visitor(cookie(client))


async def a_good_session_with_a_bad_key() -> Visitor:
    _alice, client = await signed_in()
    return Visitor([*cookie(client), *bearer("hark_AAAAAAAA_" + "a" * 32)])


def sending(headers: Headers | None = None, **parts: Any) -> Callable[[], Any]:
    async def visitor() -> Visitor:
        return Visitor(headers, **parts)

    return visitor


BAD = {
    "nothing": (sending(), "not_authenticated"),
    "another scheme": (sending([(b"authorization", b"Basic YTpi")]), "not_authenticated"),
    "an empty key": (sending([(b"authorization", b"Bearer ")]), "invalid_credentials"),
    "no key at all": (sending(bearer("let me in")), "invalid_credentials"),
    "an unknown key": (sending(bearer("hark_AAAAAAAA_" + "a" * 32)), "invalid_credentials"),
    "a very long key": (sending(bearer("hark_" + "a" * 100_000)), "invalid_credentials"),
    "strange characters": (sending([(b"authorization", b"Bearer \x00\xff'--")]), "invalid_credentials"),
    "an unknown key as subprotocol": (sending(subprotocols=["token", "x"]), "invalid_credentials"),
    "a subprotocol without a key": (sending(subprotocols=["token"]), "not_authenticated"),
    "two keys as subprotocols": (sending(subprotocols=["token", "a", "b"]), "not_authenticated"),
    "an unknown ticket": (sending(query="?ticket=abc"), "invalid_ticket"),
    "an empty ticket": (sending(query="?ticket="), "invalid_ticket"),
    "an unknown session": (sending([(b"cookie", b"sessionid=abcdefghijklmnopqrstuvwxyz012345")]), "not_authenticated"),
    "an empty session": (sending([(b"cookie", b"sessionid=")]), "not_authenticated"),
    "an expired key": (expired_key, "key_expired"),
    "a revoked key": (revoked_key, "key_revoked"),
    "a key of a disabled user": (key_of_a_disabled_user, "user_disabled"),
    "an expired ticket": (expired_ticket, "invalid_ticket"),
    "a signed-out session": (signed_out_session, "not_authenticated"),
    "a session of a disabled user": (session_of_a_disabled_user, "not_authenticated"),
    "a session from before the password changed": (session_from_before_the_password_changed, "not_authenticated"),
    "a good session with a bad key": (a_good_session_with_a_bad_key, "invalid_credentials"),
}


@pytest.mark.parametrize("kind", sorted(BAD))
async def test_a_bad_credential_is_answered_with_401_and_the_reason(kind: str) -> None:
    make_visitor, code = BAD[kind]
    visitor = await make_visitor()

    answer = await visitor.knock_and_leave()

    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not answer.is_accepted


@pytest.mark.parametrize("kind", ["nothing", "an unknown key", "an expired ticket"])
async def test_a_server_that_can_only_close_closes_before_it_accepts(kind: str) -> None:
    visitor = await BAD[kind][0]()
    visitor.scope["extensions"] = {}
    await visitor.send_input({"type": "websocket.connect"})

    assert await visitor.receive_output(20) == {"type": "websocket.close", "code": 4401, "reason": BAD[kind][1]}
    await visitor.wait(30)


async def test_a_bad_key_is_refused_even_where_visitors_are_trusted(settings: Any) -> None:
    settings.HARK_ANONYMOUS = "loopback"

    assert (await Visitor(client=("127.0.0.1", 1)).knock_and_leave()).is_accepted
    assert (await Visitor(bearer("hark_x"), client=("127.0.0.1", 1)).knock_and_leave()).status == 401


async def test_an_old_cookie_takes_nothing_from_a_trusted_visitor(settings: Any) -> None:
    settings.HARK_ANONYMOUS = "loopback"

    assert (await Visitor([(b"cookie", b"sessionid=abc")], client=("127.0.0.1", 1)).knock_and_leave()).is_accepted


async def test_a_key_without_the_scope_is_forbidden() -> None:
    _key, text = await a_key(frozenset({Scope.READ, Scope.DELETE}))

    answer = await Visitor(bearer(text)).knock_and_leave()

    assert (answer.status, answer.code) == (403, "missing_scope")


async def test_a_foreign_page_is_forbidden_whatever_it_brings() -> None:
    _key, text = await a_key()

    answer = await Visitor([*bearer(text), (b"origin", b"https://evil.example")]).knock_and_leave()

    assert (answer.status, answer.code) == (403, "foreign_origin")


async def test_a_key_with_its_own_limit_is_held_to_it_over_all_processes() -> None:
    key, text = await a_key(max_streams=2)
    first, second = Visitor(bearer(text)), Visitor(bearer(text))
    assert [(await visitor.knock()).is_accepted for visitor in (first, second)] == [True, True]
    assert await SocketLease.objects.filter(key=key).acount() == 2

    third = await Visitor(bearer(text)).knock_and_leave()
    await first.go()
    fourth = await Visitor(bearer(text)).knock_and_leave()
    await second.go()

    assert (third.status, third.code) == (429, "too_many_sockets")
    assert "retry-after" in third.headers
    assert fourth.is_accepted
    assert await SocketLease.objects.acount() == 0


async def test_users_and_addresses_have_limits_and_this_machine_has_none(settings: Any) -> None:
    settings.HARK_MAX_SOCKETS_PER_USER, settings.HARK_MAX_SOCKETS_PER_ADDRESS = 2, 1
    _alice, client = await signed_in()
    first = Visitor(cookie(client))
    assert (await first.knock()).is_accepted

    same_place = await Visitor(cookie(client)).knock_and_leave()
    local = Visitor(cookie(client), client=("127.0.0.1", 1))
    is_local_accepted = (await local.knock()).is_accepted
    same_user = await Visitor(cookie(client), client=("127.0.0.1", 2)).knock_and_leave()
    await first.go()
    await local.go()

    assert (same_place.status, is_local_accepted, same_user.status) == (429, True, 429)


async def test_whoever_knocks_too_often_must_wait_and_costs_no_query(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HARK_MAX_HANDSHAKES_PER_MIN = 3
    answers = [await Visitor(bearer("x")).knock_and_leave() for _ in range(3)]
    monkeypatch.setattr(door, "admit", lambda *_args: pytest.fail("the database was asked"))

    refused = await Visitor(bearer("x")).knock_and_leave()

    assert [answer.status for answer in answers] == [401] * 3
    assert (refused.status, refused.code) == (429, "too_many_handshakes")
    assert 1 <= int(refused.headers["retry-after"]) <= 21


async def test_a_key_that_has_used_its_audio_of_today_must_wait_for_tomorrow() -> None:
    key, text = await a_key(max_audio_s_per_day=10)
    await sync_to_async(make_session)(owner=key.owner, key=key, received_ms=9_999, started_at=timezone.now())
    assert (await Visitor(bearer(text)).knock_and_leave()).is_accepted

    await sync_to_async(make_session)(owner=key.owner, key=key, received_ms=1, started_at=timezone.now())
    answer = await Visitor(bearer(text)).knock_and_leave()

    assert (answer.status, answer.code) == (429, "quota_exhausted")
    assert 0 < int(answer.headers["retry-after"]) <= 86_400


async def test_while_the_database_is_away_nobody_gets_in_and_nobody_is_called_a_liar(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_text: str) -> None:
        raise OperationalError

    monkeypatch.setattr(keys, "use_key", fail)

    answer = await Visitor(bearer("x")).knock_and_leave()

    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "5")


async def test_what_a_credential_says_of_itself_is_shown_nowhere() -> None:
    credentials = door.credentials_of({"headers": [(b"authorization", b"Bearer canary"), (b"cookie", b"sessionid=canary")]})

    assert credentials.bearer == credentials.session_key == "canary"
    assert "canary" not in repr(credentials)
