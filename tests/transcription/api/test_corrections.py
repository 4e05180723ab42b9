"""REST: a speaker says what was truly said; the final stays, how wrong it was is counted, and others have no part in it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_session, make_user
from transcription.access import keys
from transcription.listeners import Scope
from transcription.models import MAX_CORRECTION_CHARS, Correction, Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def session(alice: User) -> Session:
    return make_session("I have been married tree months.", owner=alice)


def program(owner: User, *scopes: Scope) -> Client:
    return Client(headers={"Authorization": f"Bearer {keys.make_key(owner, 'program', scopes)[1]}"})


def send(client: Client, session: Session, body: Any, number: int = 0) -> Any:
    return client.post(address(session, number), body, content_type="application/json")


def address(session: Session, number: int = 0) -> str:
    return f"/api/v1/sessions/{session.pk}/segments/{number}/correction/"


def test_wrong_words_are_counted_and_the_final_stays_as_it_is(alice: User, session: Session) -> None:
    answer = send(program(alice, Scope.CORRECT), session, {"text": "I have been married three months"})

    assert answer.status_code == 200
    figures = {name: answer.json()[name] for name in ("num_words", "num_errors", "model", "language")}
    assert figures == {"num_words": 6, "num_errors": 1, "model": session.model, "language": "en"}
    assert session.segments.get().text == "I have been married tree months."


def test_a_correction_is_read_replaced_and_taken_back(alice: User, session: Session) -> None:
    client = program(alice, Scope.CORRECT, Scope.READ)
    send(client, session, {"text": "first"})
    send(client, session, {"text": "second"})

    assert client.get(address(session)).json()["text"] == "second"
    assert Correction.objects.count() == 1
    assert [client.delete(address(session)).status_code for _ in range(2)] == [204, 204]
    assert client.get(address(session)).status_code == 404


def test_it_takes_the_scope_for_it_and_a_segment_of_ones_own(alice: User, session: Session) -> None:
    reader, bob = program(alice, Scope.READ, Scope.DELETE), program(make_user("bob"), Scope.CORRECT)

    assert send(reader, session, {"text": "x"}).status_code == 403
    assert reader.delete(address(session)).status_code == 403
    assert send(bob, session, {"text": "x"}).status_code == 404
    assert send(program(alice, Scope.CORRECT), session, {"text": "x"}, number=1).status_code == 404
    assert Correction.objects.count() == 0


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": ["x"]}, {"text": "x" * (MAX_CORRECTION_CHARS + 1)}])
def test_what_is_no_text_is_refused_with_what_was_expected(alice: User, session: Session, body: dict[str, Any]) -> None:
    answer = send(program(alice, Scope.CORRECT), session, body)

    assert answer.status_code == 400
    (detail,) = answer.json()["error"]["details"]
    assert (detail["parameter"], detail["expected"]) == ("text", f"a text of at most {MAX_CORRECTION_CHARS} characters")
    assert detail["received"] == str(body.get("text", ""))[:200]


def test_a_signed_in_speaker_needs_the_token_against_forgery(alice: User, session: Session) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert send(client, session, {"text": "x"}).status_code == 403
