"""API keys at the REST API: each may do what its scopes say, for its owner, and nothing else."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from tests.factories import make_session, make_user
from transcription.access import keys
from transcription.api import urls
from transcription.listeners import ALL_SCOPES, Scope
from transcription.models import ApiKey, Session

pytestmark = pytest.mark.django_db
LIST = "/api/v1/sessions/"
TICKETS = "/api/v1/stream-tickets/"
PUBLIC = {"schema", "docs", None}  # None: every other address, which is 404 to whoever is known


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def program(owner: User, *scopes: Scope) -> Client:
    """A client that sends a new key of `owner` with `scopes`."""
    _key, text = keys.make_key(owner, "program", scopes)
    return Client(headers={"Authorization": f"Bearer {text}"})


def answer(response: Any) -> tuple[int, str]:
    return response.status_code, json.loads(response.content)["error"]["code"] if response.status_code >= 400 else ""


ALLOWED: dict[str, Callable[[Client, Session], Any]] = {
    "list": lambda client, _session: client.get(LIST),
    "read": lambda client, session: client.get(f"{LIST}{session.pk}/"),
    "export": lambda client, session: client.get(f"{LIST}{session.pk}/transcript/", {"format": "srt"}),
    "models": lambda client, _session: client.get("/api/v1/models/"),
    "routes": lambda client, _session: client.get("/api/v1/routes/"),
    "ticket": lambda client, _session: client.post(TICKETS),
    "own data": lambda client, _session: client.get("/api/v1/me/data/"),
    "audio": lambda client, session: client.get(f"{LIST}{session.pk}/audio/"),
    "correct": lambda client, session: client.post(
        f"{LIST}{session.pk}/segments/0/correction/", {"text": "Good evening."}, content_type="application/json"
    ),
    "delete": lambda client, session: client.delete(f"{LIST}{session.pk}/"),
}
OF_SCOPE: dict[Scope, set[str]] = {
    Scope.READ: {"list", "read", "export", "models", "routes", "own data", "audio"},
    Scope.STREAM: {"ticket"},
    Scope.DELETE: {"delete"},
    Scope.CORRECT: {"correct"},
    Scope.CHOOSE_MODEL: set(),  # for /stream
    Scope.STORE_AUDIO: set(),  # for /stream
}


@pytest.mark.parametrize("scope", Scope)
def test_a_key_may_do_what_its_scope_says_and_nothing_else(alice: User, scope: Scope, settings: Settings) -> None:
    settings.HARK_INFERENCE_ADDRESS = "unix:/nonexistent/inference.sock"
    session, client = make_session("Good morning.", owner=alice), program(alice, scope)

    answers = {name: answer(call(client, session)) for name, call in ALLOWED.items()}

    assert {name for name, (status, _code) in answers.items() if status < 400} == OF_SCOPE[scope]
    assert {got for got in answers.values() if got[0] >= 400} == {(403, "missing_scope")}


def test_a_key_sees_its_owners_sessions_and_no_others(alice: User) -> None:
    own, foreign, ownerless = make_session("a", owner=alice), make_session("b", owner=make_user("bob")), make_session("c")
    client = program(alice, *ALL_SCOPES)

    assert [session["id"] for session in client.get(LIST).json()["results"]] == [str(own.pk)]
    for session in (foreign, ownerless):
        assert {answer(ALLOWED[name](client, session)) for name in ("read", "export", "delete")} == {(404, "not_found")}
    assert Session.objects.count() == 3


def test_a_key_of_staff_has_no_special_right() -> None:
    foreign = make_session("b", owner=make_user("bob"))
    client = program(make_user("root", is_staff=True, is_superuser=True), *ALL_SCOPES)

    assert answer(client.get(f"{LIST}{foreign.pk}/")) == (404, "not_found")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer nonsense", "bearer hark_AAAAAAAA_" + "a" * 32])
def test_a_bad_key_is_refused_even_beside_a_good_cookie(alice: User, header: str, settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    client = Client(headers={"Authorization": header})
    client.force_login(alice)

    response = client.get(LIST)

    assert answer(response) == (401, "invalid_credentials")
    assert response["WWW-Authenticate"] == "Bearer"


def test_another_scheme_is_the_proxys_affair(alice: User) -> None:
    client = Client(headers={"Authorization": "Basic YTpi"})
    client.force_login(alice)

    assert client.get(LIST).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"), [({"revoked_at": timedelta()}, "key_revoked"), ({"expires_at": timedelta()}, "key_expired")]
)
def test_a_key_that_is_over_is_refused_with_the_reason(alice: User, change: dict[str, timedelta], code: str) -> None:
    client = program(alice, *ALL_SCOPES)
    ApiKey.objects.update(**{name: timezone.now() - ago for name, ago in change.items()})

    assert answer(client.get(LIST)) == (401, code)


def test_no_answer_repeats_a_credential(alice: User) -> None:
    _key, text = keys.make_key(alice, "program", [])

    for header in (text, f"{text[:-1]}!"):
        assert text[:-1] not in Client(headers={"Authorization": f"Bearer {header}"}).get(LIST).content.decode()


def test_a_key_costs_one_query(alice: User, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    client = program(alice, *ALL_SCOPES)
    client.get(LIST)

    with django_assert_max_num_queries(2):
        assert client.get(LIST).status_code == 200


def test_a_ticket_is_in_no_cache_and_says_how_long_it_lasts(alice: User) -> None:
    response = program(alice, Scope.STREAM).post(TICKETS)

    assert (response.status_code, response["Cache-Control"], response.json()["expires_in_s"]) == (201, "no-store", 60)


def test_a_signed_in_page_needs_its_csrf_token_for_a_ticket(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert answer(client.post(TICKETS)) == (403, "permission_denied")


def addresses() -> list[URLPattern]:
    return [pattern for pattern in urls.urlpatterns if pattern.name not in PUBLIC]


@pytest.mark.parametrize("pattern", addresses(), ids=lambda pattern: str(pattern.name))
def test_no_address_answers_a_stranger(pattern: URLPattern, client: Client) -> None:
    session = make_session("secret")
    arguments = {name: str(session.pk) if name == "session_id" else "0" for name in pattern.pattern.converters}
    address = reverse(f"api:{pattern.name}", kwargs=arguments)

    statuses = {method: getattr(client, method)(address).status_code for method in ("get", "post", "put", "patch", "delete")}

    assert set(statuses.values()) == {401}, statuses
