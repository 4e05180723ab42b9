"""The pages as a signed-in person, a stranger and an anonymous person on this machine get them."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse, set_script_prefix
from django.utils.translation import override

from tests.factories import make_session, make_user
from transcription.models import Session, StoredAudio
from transcription.page_texts import LIVE_TEXTS
from transcription.privacy.erasure import pursue
from transcription.views import SESSIONS_PER_PAGE

pytestmark = pytest.mark.django_db

SCRIPTS = Path(__file__).parents[2] / "static" / "transcription" / "js"
TEMPLATES = Path(__file__).parents[2] / "templates" / "transcription"


def signed_in(name: str = "alice") -> Client:
    client = Client()
    client.force_login(make_user(name))
    return client


def owner_of(client: Client) -> Any:
    return client.get("/").wsgi_request.user


def json_block(html: str, name: str) -> Any:
    match = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert match, f"the page has no JSON block called {name}"
    return json.loads(match[1])


# --- Who may look ---


@pytest.mark.parametrize("address", ["/", "/history/", f"/history/{uuid4()}/", "/your-data/"])
def test_a_stranger_is_asked_to_sign_in_and_sent_back_afterwards(address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('admin:login')}?next={address}"


def test_a_signed_in_person_gets_the_live_page() -> None:
    assert signed_in().get("/").status_code == 200


def test_anonymous_people_on_this_machine_get_the_pages_where_the_operator_allows_it(settings: Any) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    assert Client().get("/").status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.7").get("/").status_code == 302
    assert Client(headers={"x-forwarded-for": "127.0.0.1"}).get("/").status_code == 302


def test_a_person_sees_only_their_own_sessions() -> None:
    alice = signed_in()
    make_session("What Alice said.", owner=owner_of(alice))
    bobs = make_session("What Bob said.", owner=make_user("bob"))
    page = alice.get("/history/").content.decode()
    assert "What Alice said." in page
    assert "What Bob said." not in page
    assert alice.get(f"/history/{bobs.pk}/").status_code == 404


# --- The live page ---


def test_the_scripts_learn_every_address_from_the_page() -> None:
    config = json_block(signed_in().get("/").content.decode(), "config")
    assert config["stream_path"] == "/stream"
    assert (config["models_url"], config["routes_url"]) == (reverse("api:models"), reverse("api:routes"))
    assert config["transcript_url"] == "/api/v1/sessions/{id}/transcript/"
    assert config["history_url"] == "/history/{id}/"


def test_addresses_follow_the_prefix_under_which_hark_is_mounted() -> None:
    client = signed_in()
    set_script_prefix("/asr/")
    try:
        page = client.get("/").content.decode()
    finally:
        set_script_prefix("/")
    config = json_block(page, "config")
    assert config["stream_path"] == "/asr/stream"
    assert config["models_url"].startswith("/asr/api/")


@pytest.mark.parametrize(("site_language", "spoken"), [("en", "en"), ("zh-hans", "zh")])
def test_the_language_of_the_page_is_the_first_guess_for_the_spoken_one(site_language: str, spoken: str) -> None:
    page = signed_in().get("/", headers={"accept-language": site_language}).content.decode()
    assert re.findall(r'value="(\w+)" lang="\w+" selected', page) == [spoken]


def test_the_page_allows_no_script_or_style_but_files_of_this_server() -> None:
    policy = signed_in().get("/")["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy


class InlineCodeFinder(HTMLParser):
    """Collects what a content security policy without exceptions would forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        is_code = tag == "script" and "src" not in names and names.get("type") != "application/json"
        if is_code or tag == "style" or "style" in names or any(name.startswith("on") for name in names):
            self.found.append(self.get_starttag_text() or tag)


@pytest.mark.parametrize("address", ["/", "/history/"])
def test_no_page_holds_code_or_style_of_its_own(address: str) -> None:
    finder = InlineCodeFinder()
    finder.feed(signed_in().get(address).content.decode())
    assert finder.found == []


def test_the_search_for_inline_code_finds_what_it_is_for() -> None:
    finder = InlineCodeFinder()
    finder.feed('<p style="x"><b onclick="y"></b><script>z</script><style></style>')
    assert len(finder.found) == 4


def test_every_sentence_that_a_script_asks_for_is_in_the_catalogue() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS.glob("*.js"))
    asked = set(re.findall(r'\.get\("(\w+)"', source))
    reasons = re.findall(r'(?:\.fail\(|SourceError\(|onLost\(|(?:Error|\]): )"([a-z_]+)"', source)
    asked |= {f"fail_{reason}" for reason in reasons if not reason.startswith("notice_")}
    assert len(asked) > 25
    assert asked <= set(LIVE_TEXTS)


def test_every_script_that_is_imported_exists() -> None:
    for path in SCRIPTS.glob("*.js"):
        for name in re.findall(r'from "\./([\w-]+\.js)"', path.read_text(encoding="utf-8")):
            assert (SCRIPTS / name).is_file(), f"{path.name} imports {name}"


# --- Chinese ---


def test_every_sentence_of_the_scripts_is_translated() -> None:
    with override("en"):
        english = {key: str(text) for key, text in LIVE_TEXTS.items()}
    with override("zh-hans"):
        chinese = {key: str(text) for key, text in LIVE_TEXTS.items()}
    assert [key for key in english if english[key] == chinese[key]] == []


def test_placeholders_survive_the_translation() -> None:
    for text in LIVE_TEXTS.values():
        with override("en"):
            wanted = sorted(re.findall(r"\{\w+\}", str(text)))
        with override("zh-hans"):
            assert sorted(re.findall(r"\{\w+\}", str(text))) == wanted


def test_the_switch_makes_the_pages_chinese_and_stays_on_the_page() -> None:
    client = signed_in()
    response = client.post("/language/", {"language": "zh-hans", "next": "/history/"}, follow=True)
    page = response.content.decode()
    assert response.redirect_chain == [("/history/", 302)]
    assert '<html lang="zh-Hans">' in page
    assert "历史记录" in page


# --- History ---


def test_the_newest_session_comes_first_with_its_opening_words() -> None:
    client = signed_in()
    make_session("Older words.", owner=owner_of(client), started_at=datetime(2026, 1, 1, tzinfo=UTC))
    make_session("Newer words.", "More of them.", owner=owner_of(client), started_at=datetime(2026, 1, 2, tzinfo=UTC))
    page = client.get("/history/").content.decode()
    assert page.index("Newer words.") < page.index("Older words.")
    assert "More of them." not in page


def test_a_search_finds_the_sessions_that_contain_all_words() -> None:
    client = signed_in()
    make_session("Good morning.", "The harbour is closed today.", owner=owner_of(client))
    make_session("Good evening.", "The harbour is open.", owner=owner_of(client))
    page = client.get("/history/", {"q": "harbour closed"}).content.decode()
    assert "Good morning." in page
    assert "Good evening." not in page


def test_a_search_without_a_hit_says_so_and_shows_what_was_asked_safely() -> None:
    page = signed_in().get("/history/", {"q": "<script>zebra"}).content.decode()
    assert "No session contains all the words" in page
    assert "&lt;script&gt;zebra" in page


def test_long_lists_are_split_into_pages_that_keep_the_search() -> None:
    client = signed_in()
    for _ in range(SESSIONS_PER_PAGE + 1):
        make_session("Harbour news.", owner=owner_of(client))
    first = client.get("/history/", {"q": "harbour"}).content.decode()
    assert first.count('class="session-card"') == SESSIONS_PER_PAGE
    assert "?q=harbour&amp;page=2" in first
    assert client.get("/history/?q=harbour&page=2").content.decode().count('class="session-card"') == 1


def test_the_list_takes_the_same_number_of_queries_however_long_it_is(django_assert_max_num_queries: Any) -> None:
    client = signed_in()
    for _ in range(10):
        make_session("One.", "Two.", owner=owner_of(client))
    with django_assert_max_num_queries(4):
        client.get("/history/")


def test_what_was_said_is_shown_with_times_and_cannot_inject_markup() -> None:
    client = signed_in()
    session = make_session("Hello <b>there</b>.", "Second line.", owner=owner_of(client))
    page = client.get(f"/history/{session.pk}/").content.decode()
    assert "Hello &lt;b&gt;there&lt;/b&gt;." in page
    assert '<span class="line-time">0:03</span>' in page


def test_a_session_offers_all_four_downloads() -> None:
    client = signed_in()
    session = make_session("Hello.", owner=owner_of(client))
    page = client.get(f"/history/{session.pk}/").content.decode()
    for export in ("txt", "srt", "vtt", "json"):
        assert f"/api/v1/sessions/{session.pk}/transcript/?format={export}&amp;download=1" in page


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (Session.Status.LIVE, "still being recorded"),
        (Session.Status.INCOMPLETE, "The connection ended before the recording did"),
        (Session.Status.FAILED, "ended with an error"),
    ],
)
def test_a_session_that_is_not_complete_says_why(status: str, sentence: str) -> None:
    client = signed_in()
    session = make_session("Hello.", owner=owner_of(client), status=status)
    assert sentence in client.get(f"/history/{session.pk}/").content.decode()


# --- Deleting ---


def test_a_session_is_deleted_and_the_history_says_so() -> None:
    client = signed_in()
    session = make_session("Hello.", owner=owner_of(client))
    page = client.post(f"/history/{session.pk}/delete/", follow=True).content.decode()
    assert "The session was deleted." in page
    assert not Session.objects.filter(pk=session.pk).exists()


def test_a_session_that_is_being_spoken_is_not_deleted() -> None:
    client = signed_in()
    session = make_session("Hello.", owner=owner_of(client), status=Session.Status.LIVE)
    page = client.post(f"/history/{session.pk}/delete/", follow=True).content.decode()
    assert "Stop the recording first" in page
    assert Session.objects.filter(pk=session.pk).exists()


def test_nobody_deletes_the_session_of_another() -> None:
    session = make_session("Hello.", owner=make_user("bob"))
    assert signed_in().post(f"/history/{session.pk}/delete/").status_code == 404
    assert Session.objects.filter(pk=session.pk).exists()


def test_a_link_alone_deletes_nothing() -> None:
    client = signed_in()
    session = make_session("Hello.", owner=owner_of(client))
    assert client.get(f"/history/{session.pk}/delete/").status_code == 405


def test_a_foreign_page_cannot_delete() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())
    session = make_session("Hello.", owner=owner_of(client))
    assert client.post(f"/history/{session.pk}/delete/").status_code == 403


# --- Your data ---


def test_people_see_how_much_is_kept_of_them_and_have_all_of_it_deleted() -> None:
    client = signed_in()
    make_session("alpha", "bravo", owner=owner_of(client))
    kept = make_session("charlie", owner=make_user("bob"))

    before = client.get("/your-data/").content.decode()
    asked = client.post("/your-data/erase/")
    meanwhile = client.get("/your-data/").content.decode()
    pursue()
    after = client.get("/your-data/").content.decode()

    assert "Sessions: 1, with 2 segments of text." in before
    assert 'href="/api/v1/me/export/"' in before
    assert asked["Location"] == "/your-data/"
    assert ("is being deleted" in meanwhile, "is being deleted" in after) == (True, False)
    assert "Sessions: 0, with 0 segments of text." in after
    assert set(Session.objects.all()) == {kept}


def test_nobody_deletes_by_following_a_link_or_from_another_site() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("alice"))

    assert client.get("/your-data/erase/").status_code == 405
    assert client.post("/your-data/erase/").status_code == 403


def test_stored_audio_is_offered_beside_the_transcript() -> None:
    client = signed_in()
    session = make_session("alpha", owner=owner_of(client))
    StoredAudio.objects.create(session=session, number=2, duration_ms=1, sample_rate_hz=16_000, num_bytes=1)

    assert (
        f'href="/api/v1/sessions/{session.pk}/audio/2/" download>FLAC</a>'
        in client.get(f"/history/{session.pk}/").content.decode()
    )
