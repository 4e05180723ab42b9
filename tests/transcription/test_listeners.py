"""Who is listening: the same answer for a socket and for a request."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from transcription.listeners import Listener, anonymous_of_scope, counted_address, is_loopback, listener_of_request

NOBODY = Listener(user_id=None, is_trusted_anonymous=False)
LOCAL = Listener(user_id=None, is_trusted_anonymous=True)
PROXY_HEADERS = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "X-Client-IP", "Via"]


def request_from(host: str, user: User | AnonymousUser, **headers: str) -> HttpRequest:
    request = RequestFactory().get("/", REMOTE_ADDR=host, headers=headers)
    request.user = user
    return request


def scope_from(host: str, *header_names: str) -> dict[str, object]:
    headers = [(name.lower().encode(), b"127.0.0.1") for name in header_names]
    return {"type": "websocket", "client": (host, 50_000), "headers": headers}


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
    assert anonymous_of_scope(scope_from("127.0.0.1", name)) == NOBODY


def test_a_local_visitor_is_trusted_only_where_that_is_allowed(settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    assert listener_of_request(request_from("127.0.0.1", AnonymousUser())) == LOCAL
    assert anonymous_of_scope(scope_from("127.0.0.1")) == LOCAL

    settings.HARK_ANONYMOUS = "off"
    assert listener_of_request(request_from("127.0.0.1", AnonymousUser())) == NOBODY
    assert anonymous_of_scope(scope_from("127.0.0.1")) == NOBODY


def test_a_signed_in_user_is_known_from_anywhere() -> None:
    alice = User(pk=7, username="alice")

    assert listener_of_request(request_from("192.0.2.1", alice)) == Listener(7, is_trusted_anonymous=False)


def test_a_scope_without_a_client_address_is_nobody(settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"

    assert anonymous_of_scope({"type": "websocket", "client": None, "headers": []}) == NOBODY


def test_only_users_and_trusted_visitors_are_known() -> None:
    assert [NOBODY.is_known, LOCAL.is_known, Listener(7, is_trusted_anonymous=False).is_known] == [False, True, True]


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


def test_this_machine_itself_is_not_counted() -> None:
    assert counted_address("127.0.0.1", []) == counted_address("::1", []) == ""


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", forwarded("203.0.113.5"), "192.0.2.1"),  # nobody named that proxy
        ("127.0.0.1", forwarded("203.0.113.5"), "127.0.0.1"),
        ("10.0.0.2", forwarded("203.0.113.5"), "203.0.113.5"),
        ("10.0.0.2", forwarded("127.0.0.1, 203.0.113.5"), "203.0.113.5"),  # the client wrote the first
        ("10.0.0.2", forwarded("198.51.100.9", "203.0.113.5, 10.0.0.3"), "203.0.113.5"),
        ("10.0.0.2", forwarded("10.0.0.3"), "10.0.0.3"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", forwarded("nonsense"), "unknown"),
        ("", forwarded("203.0.113.5"), "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("10.0.0.2", forwarded("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.2", forwarded("203.0.113.5"), "203.0.113.5"),
    ],
)
def test_who_is_counted_behind_a_proxy_that_is_trusted(
    settings: Settings, peer: str, headers: list[tuple[bytes, bytes]], expected: str
) -> None:
    settings.HARK_TRUSTED_PROXIES = ["10.0.0.0/8", "unix"]

    assert counted_address(peer, headers) == expected


def test_a_proxy_on_this_machine_makes_nobody_local(settings: Settings) -> None:
    settings.HARK_TRUSTED_PROXIES = ["127.0.0.1"]

    assert counted_address("127.0.0.1", forwarded("203.0.113.5")) == "203.0.113.5"
    assert counted_address("127.0.0.1", forwarded("127.0.0.1")) == "127.0.0.1"
