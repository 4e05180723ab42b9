"""REST: an owner finds, reads, exports and deletes their sessions; everybody else learns nothing."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from tests.factories import NINE_O_CLOCK, make_session, make_user
from tests.transcription.caption_parser import parse_srt, parse_vtt
from transcription.models import Session

pytestmark = pytest.mark.django_db
LIST = "/api/v1/sessions/"


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def api(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def address(session: Session) -> str:
    return f"{LIST}{session.pk}/"


def transcript_of(session: Session) -> str:
    return f"{address(session)}transcript/"


def ids(api: Client, **parameters: Any) -> list[str]:
    response = api.get(LIST, parameters)
    assert response.status_code == 200, response.content
    return [session["id"] for session in response.json()["results"]]


def pages(api: Client, link: str | None, direction: str = "next") -> Iterator[list[str]]:
    while link:
        page = api.get(link).json()
        yield [session["id"] for session in page["results"]]
        link = page[direction]


# --- list ---------------------------------------------------------------------------------------------------------------


def test_the_list_holds_own_sessions_newest_first(api: Client, alice: User) -> None:
    older = make_session("one", owner=alice, started_at=NINE_O_CLOCK)
    newer = make_session(owner=alice, started_at=NINE_O_CLOCK + timedelta(hours=1))
    make_session(owner=make_user("bob"))

    assert ids(api) == [str(newer.pk), str(older.pk)]


def test_a_row_of_the_list_says_what_the_session_was(api: Client, alice: User) -> None:
    make_session("one", "two", owner=alice, metadata={"room": "7"})

    (row,) = api.get(LIST).json()["results"]

    assert (row["num_segments"], row["complete"], row["duration_ms"], row["metadata"]) == (2, True, 10_000, {"room": "7"})
    assert "segments" not in row
    assert "owner" not in row


def test_pages_cover_every_session_once_even_when_some_started_together(api: Client, alice: User) -> None:
    together = [make_session(owner=alice, started_at=NINE_O_CLOCK) for _ in range(5)]
    apart = [make_session(owner=alice, started_at=NINE_O_CLOCK + timedelta(seconds=number + 1)) for number in range(4)]

    listed = [session for page in pages(api, f"{LIST}?page_size=2") for session in page]

    assert len(listed) == len(set(listed)) == 9
    assert set(listed) == {str(session.pk) for session in [*together, *apart]}
    assert listed[:4] == [str(session.pk) for session in reversed(apart)]


def test_a_session_that_starts_meanwhile_does_not_shift_the_next_page(api: Client, alice: User) -> None:
    for minute in range(4):
        make_session(owner=alice, started_at=NINE_O_CLOCK + timedelta(minutes=minute))
    first = api.get(LIST, {"page_size": 2}).json()
    make_session(owner=alice, started_at=NINE_O_CLOCK + timedelta(hours=1))

    second = api.get(first["next"]).json()

    assert not {row["id"] for row in first["results"]} & {row["id"] for row in second["results"]}
    assert len(second["results"]) == 2
    assert second["next"] is None


def test_the_list_costs_the_same_queries_for_any_number_of_sessions(
    api: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(10):
        make_session("one", "two", owner=alice)

    with django_assert_num_queries(3):  # login session, user, page
        api.get(LIST)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"status": "live"}, ["live"]),
        ({"language": "zh"}, ["chinese"]),
        ({"language": "ZH"}, ["chinese"]),
        ({"model": "whisper-base"}, ["chinese"]),
        ({"q": "quick fox"}, ["complete"]),
        ({"q": "天气"}, ["chinese"]),
        ({"started_after": "2026-02-01T00:00:00Z"}, ["live"]),
        ({"started_before": "2026-01-01T00:00:00Z"}, ["chinese"]),
        ({"started_after": "2026-01-01T00:00:00+00:00", "started_before": "2026-02-01T00:00:00Z"}, ["complete"]),
        ({"status": "complete", "language": "en"}, ["complete"]),
        ({"q": ""}, ["live", "complete", "chinese"]),
        ({"q": "nobody said this"}, []),
    ],
)
def test_filters_narrow_the_list(api: Client, alice: User, parameters: dict[str, str], expected: list[str]) -> None:
    made = {
        "chinese": make_session(
            "今天天气很好", owner=alice, language="zh", model="whisper-base", started_at=NINE_O_CLOCK - timedelta(days=90)
        ),
        "complete": make_session("The quick brown fox", owner=alice, started_at=NINE_O_CLOCK),
        "live": make_session("hm", owner=alice, status="live", ended_at=None, started_at=NINE_O_CLOCK + timedelta(days=90)),
    }

    assert ids(api, **parameters) == [str(made[name].pk) for name in expected]


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("status", "done", "one of live, complete, incomplete, failed"),
        ("started_after", "yesterday", "ISO 8601"),
        ("started_before", "2026-13-01T00:00:00Z", "ISO 8601"),
        ("language", "x" * 17, "16"),
        ("q", "x" * 201, "200"),
        ("q", "a\0b", "ull characters"),
        ("page_size", "0", "1 to 200"),
        ("page_size", "201", "1 to 200"),
        ("page_size", "ten", "1 to 200"),
        ("page_size", "²", "1 to 200"),
        ("cursor", "not-base64!", "'next' or 'previous' link"),
        ("cursor", "bz1hYmM=", "'next' or 'previous' link"),
        ("cursor", "cD15ZXN0ZXJkYXk=", "'next' or 'previous' link"),
        ("cursor", "cD0yMDI2LTEzLTAx", "'next' or 'previous' link"),
        ("cursor", "é", "'next' or 'previous' link"),
        ("statsu", "live", "cursor, language, model"),
        ("format", "xml", "one of json"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_came_and_what_was_expected(
    api: Client, parameter: str, value: str, expected: str
) -> None:
    response = api.get(LIST, {parameter: value})

    assert response.status_code == 400
    error = response.json()["error"]
    (detail,) = error["details"]
    assert (error["code"], detail["parameter"], detail["received"]) == ("invalid_parameter", parameter, value[:200])
    assert expected in detail["expected"]
    assert detail["expected"] in error["message"]


# --- detail -------------------------------------------------------------------------------------------------------------


def test_the_detail_holds_the_segments_with_words(api: Client, alice: User) -> None:
    session = make_session("hello there", "again", owner=alice)

    body = api.get(address(session)).json()

    assert [segment["text"] for segment in body["segments"]] == ["hello there", "again"]
    assert body["segments"][0]["words"][1] == {"text": "there", "start_ms": 1_000, "end_ms": 2_000, "confidence": 0.9}
    assert (body["segments"][1]["segment"], body["num_segments"]) == (1, 2)


def test_a_session_is_deleted_for_good(api: Client, alice: User) -> None:
    session = make_session("secret", owner=alice)

    assert api.delete(address(session)).status_code == 204
    assert api.get(address(session)).status_code == 404
    assert not Session.objects.exists()


def test_a_live_session_is_not_deleted(api: Client, alice: User) -> None:
    session = make_session(owner=alice, status="live", ended_at=None)

    response = api.delete(address(session))

    assert response.status_code == 409
    assert response.json()["error"]["code"] == "session_live"
    assert "still being spoken" in response.json()["error"]["message"]
    assert Session.objects.exists()


def test_deleting_needs_the_csrf_token_of_a_signed_in_browser(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    session = make_session(owner=alice)

    response = client.delete(address(session))

    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")
    assert "CSRF" in response.json()["error"]["message"]
    assert Session.objects.exists()


# --- transcript -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [("json", "application/json"), ("txt", "text/plain"), ("srt", "application/x-subrip"), ("vtt", "text/vtt")],
)
def test_the_format_is_chosen_by_parameter_or_by_accept_header(api: Client, alice: User, extension: str, media_type: str) -> None:
    session = make_session("Good morning.", owner=alice)

    by_parameter = api.get(transcript_of(session), {"format": extension}, headers={"Accept": "text/html"})
    by_header = api.get(transcript_of(session), headers={"Accept": f"text/html, {media_type};q=0.9"})

    assert by_parameter.content == by_header.content
    assert by_parameter.headers["Content-Type"].split(";")[0] == by_header.headers["Content-Type"].split(";")[0] == media_type
    assert b"Good morning." in by_parameter.content


def test_json_is_the_format_when_nothing_is_asked_for(api: Client, alice: User) -> None:
    body = api.get(transcript_of(make_session("Good morning.", owner=alice))).json()

    assert (body["text"], body["complete"], body["segments"][0]["words"][0]["text"]) == ("Good morning.", True, "Good")


def test_captions_of_a_stored_session_are_strictly_valid(api: Client, alice: User) -> None:
    session = make_session("Good morning.", "今天天气很好。", owner=alice)

    srt = parse_srt(api.get(transcript_of(session), {"format": "srt"}).content.decode())
    vtt = parse_vtt(api.get(transcript_of(session), {"format": "vtt"}).content.decode())

    assert [cue.lines for cue in srt] == [cue.lines for cue in vtt.cues] == [["Good morning."], ["今天天气很好。"]]


def test_a_download_has_a_file_name(api: Client, alice: User) -> None:
    session = make_session("hi", owner=alice, started_at=NINE_O_CLOCK)

    response = api.get(transcript_of(session), {"format": "srt", "download": "1"})

    name = f"transcript-20260131-090000-{str(session.pk)[:8]}.srt"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'


def test_every_format_of_an_incomplete_session_says_so(api: Client, alice: User) -> None:
    session = make_session("hi", owner=alice, status="incomplete")

    answers = {name: api.get(transcript_of(session), {"format": name, "download": "1"}) for name in ("json", "txt", "srt", "vtt")}

    assert all(answer.headers["X-Transcript-Complete"] == "false" for answer in answers.values())
    assert all("-incomplete." in answer.headers["Content-Disposition"] for answer in answers.values())
    assert answers["json"].json()["complete"] is False
    assert answers["txt"].content.decode().startswith("[Incomplete")
    assert "NOTE\nIncomplete" in answers["vtt"].content.decode()


@pytest.mark.parametrize(
    ("parameter", "value", "expected"), [("format", "doc", "json, txt, srt, vtt"), ("download", "yes", "0 or 1")]
)
def test_a_bad_transcript_parameter_is_refused(api: Client, alice: User, parameter: str, value: str, expected: str) -> None:
    response = api.get(transcript_of(make_session(owner=alice)), {parameter: value})

    assert response.status_code == 400
    assert expected in response.json()["error"]["details"][0]["expected"]


def test_an_accept_header_that_nothing_serves_is_answered_with_406_in_json(api: Client, alice: User) -> None:
    response = api.get(transcript_of(make_session(owner=alice)), headers={"Accept": "image/png"})

    assert (response.status_code, response.json()["error"]["code"]) == (406, "not_acceptable")


def test_an_error_is_json_even_where_text_was_asked_for(api: Client) -> None:
    response = api.get(transcript_of(make_session(owner=make_user("bob"))), {"format": "srt"})

    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["error"]["code"] == "not_found"


def test_what_was_said_stays_in_no_cache(api: Client, alice: User) -> None:
    session = make_session("secret", owner=alice)

    answers = [api.get(LIST), api.get(address(session)), api.get(transcript_of(session), {"format": "txt"})]

    assert [answer.headers["Cache-Control"] for answer in answers] == ["private, no-store"] * 3


# --- who may -------------------------------------------------------------------------------------------------------------


def every_answer_about(client: Client, session: Session) -> list[tuple[int, str]]:
    """What each endpoint for one session says to `client`: status and error code."""
    answers = [
        client.get(address(session)),
        client.delete(address(session)),
        *(client.get(transcript_of(session), {"format": name}) for name in ("json", "txt", "srt", "vtt")),
    ]
    return [(answer.status_code, json.loads(answer.content)["error"]["code"]) for answer in answers]


def test_a_foreign_session_does_not_exist_for_a_user(api: Client) -> None:
    foreign = make_session("secret", owner=make_user("bob"))
    ownerless = make_session("secret")

    assert set(every_answer_about(api, foreign) + every_answer_about(api, ownerless)) == {(404, "not_found")}
    assert Session.objects.count() == 2


def test_staff_have_no_special_right(client: Client) -> None:
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    foreign = make_session("secret", owner=make_user("bob"))

    assert set(every_answer_about(client, foreign)) == {(404, "not_found")}
    assert ids(client) == []


def test_a_stranger_is_told_to_sign_in(client: Client) -> None:
    ownerless = make_session("secret")

    assert set(every_answer_about(client, ownerless)) == {(401, "not_authenticated")}
    response = client.get(LIST)
    assert response.status_code == 401
    assert "Sign in" in response.json()["error"]["message"]


def test_a_local_visitor_sees_ownerless_sessions_only_where_that_is_allowed(client: Client, settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    ownerless = make_session("mine")
    owned = make_session("secret", owner=make_user("bob"))

    assert ids(client) == [str(ownerless.pk)]
    assert client.get(transcript_of(ownerless), {"format": "txt"}).content == b"mine"
    assert set(every_answer_about(client, owned)) == {(404, "not_found")}


def test_a_visitor_behind_a_proxy_is_not_local(client: Client, settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "loopback"

    assert client.get(LIST, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
    assert client.get(LIST, REMOTE_ADDR="192.0.2.7").status_code == 401


# --- shape ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/api/v1/sessions/not-a-uuid/", "/api/v1/sessions/1/transcript/"])
def test_an_unknown_address_answers_in_the_same_shape(api: Client, path: str) -> None:
    response = api.get(path)

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_a_method_that_is_not_offered_answers_in_the_same_shape(api: Client) -> None:
    response = api.post(LIST, {}, content_type="application/json")

    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
