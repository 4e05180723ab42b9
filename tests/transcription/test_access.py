"""Who is listening: the same answer for a socket and for a request."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from transcription.access import Listener, is_loopback, listener_of_request, listener_of_scope

NOBODY = Listener(user_id=None, is_trusted_anonymous=False)
LOCAL = Listener(user_id=None, is_trusted_anonymous=True)
PROXY_HEADERS = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "X-Client-IP", "Via"]


def request_from(host: str, user: User | AnonymousUser, **headers: str) -> HttpRequest:
    request = RequestFactory().get("/", REMOTE_ADDR=host, headers=headers)
    request.user = user
    return request


def scope_from(host: str, user: User | AnonymousUser | None, *header_names: str) -> dict[str, object]:
    headers = [(name.lower().encode(), b"127.0.0.1") for name in header_names]
    return {"type": "websocket", "client": (host, 50_000), "headers": headers, "user": user}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host, [b"host", b"user-agent"])


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "0.0.0.0", "localhost", "", "127.0.0.1x"]
)
def test_any_other_peer_is_not(host: str) -> None:
    assert not is_loopback(host, [])


@pytest.mark.parametrize("name", PROXY_HEADERS)
def test_what_a_proxy_forwards_is_never_local(settings: Settings, name: str) -> None:
    settings.HARK_ANONYMOUS = "loopback"

    assert listener_of_request(request_from("127.0.0.1", AnonymousUser(), **{name: "127.0.0.1"})) == NOBODY
    assert listener_of_scope(scope_from("127.0.0.1", None, name)) == NOBODY


def test_a_local_visitor_is_trusted_only_where_that_is_allowed(settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    assert listener_of_request(request_from("127.0.0.1", AnonymousUser())) == LOCAL
    assert listener_of_scope(scope_from("127.0.0.1", AnonymousUser())) == LOCAL

    settings.HARK_ANONYMOUS = "off"
    assert listener_of_request(request_from("127.0.0.1", AnonymousUser())) == NOBODY
    assert listener_of_scope(scope_from("127.0.0.1", AnonymousUser())) == NOBODY


def test_a_signed_in_user_is_known_from_anywhere() -> None:
    alice = User(pk=7, username="alice")

    assert listener_of_request(request_from("192.0.2.1", alice)) == Listener(7, is_trusted_anonymous=False)
    assert listener_of_scope(scope_from("192.0.2.1", alice)) == Listener(7, is_trusted_anonymous=False)


def test_a_scope_without_a_client_address_is_nobody(settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"

    assert listener_of_scope({"type": "websocket", "client": None, "headers": []}) == NOBODY


def test_only_users_and_trusted_visitors_are_known() -> None:
    assert [NOBODY.is_known, LOCAL.is_known, Listener(7, is_trusted_anonymous=False).is_known] == [False, True, True]
