"""REST: everybody sees how much is stored of them, takes all of it along, has it forgotten; and nobody else can."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client
from pytest_django import Settings

from tests.factories import make_session, make_user
from tests.transcription.privacy.stored import AUDIO, store_audio
from transcription.access import keys
from transcription.listeners import Scope
from transcription.models import Correction, Erasure, Session
from transcription.privacy import erasure

pytestmark = pytest.mark.django_db
DATA, EXPORT = "/api/v1/me/data/", "/api/v1/me/export/"


@pytest.fixture
def audio_dir(tmp_path: Path, settings: Settings) -> Path:
    settings.HARK_AUDIO_DIR = tmp_path
    settings.HARK_AUDIO_TTL_DAYS = 7
    return tmp_path


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def api(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def bob() -> Client:
    client = Client()
    client.force_login(make_user("bob"))
    return client


@pytest.fixture
async def _served() -> AsyncIterator[None]:
    """Closes the connection of the thread that requests are worked on in."""
    yield
    await sync_to_async(connections.close_all)()


async def body_of(user: User, address: str) -> tuple[Any, bytes]:
    """As a server with sockets answers: what is streamed comes piece by piece."""
    client = AsyncClient()
    await client.aforce_login(user)
    response: Any = await client.get(address)
    if response.streaming:
        return response, b"".join([piece async for piece in response])
    return response, response.content


def test_everybody_sees_how_much_is_stored_of_them(api: Client, alice: User, audio_dir: Path) -> None:
    session = make_session("alpha", "bravo", owner=alice)
    make_session("charlie", owner=alice)
    make_session("delta", owner=make_user("bob"))
    store_audio(session)

    answer = api.get(DATA)

    assert answer.json() == {
        "sessions": 2,
        "segments": 3,
        "audio_bytes": len(AUDIO),
        "oldest_at": session.started_at.isoformat().replace("+00:00", "Z"),
        "retention_days": 0,
        "audio_ttl_days": 7,
        "erasure": None,
    }
    assert answer["Cache-Control"] == "private, no-store"


def test_what_is_to_be_forgotten_is_gone_when_the_answer_says_so(api: Client, alice: User) -> None:
    make_session("alpha", owner=alice)
    kept = make_session("bravo", owner=make_user("bob"))

    asked = api.delete(DATA)
    before = api.get(DATA).json()["erasure"]
    erasure.pursue()
    after = api.get(DATA).json()

    assert asked.status_code == 202
    assert before == asked.json()
    assert before["finished_at"] is None
    assert after["erasure"]["num_sessions"] == 1
    assert after["erasure"]["finished_at"] is not None
    assert (after["sessions"], set(Session.objects.all())) == (0, {kept})


def test_a_key_that_may_delete_speaks_for_its_owner(alice: User) -> None:
    make_session("alpha", owner=alice)
    reading, deleting = (
        Client(headers={"Authorization": f"Bearer {keys.make_key(alice, 'key', [scope])[1]}"})
        for scope in (Scope.READ, Scope.DELETE)
    )

    assert (reading.delete(DATA).status_code, Erasure.objects.count()) == (403, 0)
    assert (deleting.delete(DATA).status_code, Erasure.objects.get().user) == (202, alice)
    assert deleting.get(EXPORT).status_code == 403


def test_visitors_of_this_machine_speak_for_what_belongs_to_nobody(client: Client, settings: Settings) -> None:
    assert client.delete(DATA).status_code == 401
    settings.HARK_ANONYMOUS = "loopback"

    assert client.delete(DATA).status_code == 202
    assert Erasure.objects.get().user is None


@pytest.mark.usefixtures("_served")
@pytest.mark.django_db(transaction=True)
async def test_the_export_holds_everything_that_is_stored_of_somebody(alice: User, audio_dir: Path) -> None:
    def stored() -> Session:
        session = make_session("alpha bravo", owner=alice, metadata={"room": "B 12"})
        fields = {"model": "m", "language": "en", "num_words": 2, "num_errors": 1}
        Correction.objects.create(segment=session.segments.get(), text="alpha brava", **fields)
        store_audio(session)
        make_session("charlie", owner=make_user("bob"))
        keys.make_key(alice, "gateway", [Scope.READ])
        return session

    session = await sync_to_async(stored)()
    response, content = await body_of(alice, EXPORT)

    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith('attachment; filename="hark-export-20')
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        name = f"sessions/{session.pk}"
        assert archive.namelist() == ["account.json", f"{name}.json", f"{name}-0.flac"]
        account, described = (json.loads(archive.read(entry)) for entry in archive.namelist()[:2])
        assert archive.read(f"{name}-0.flac") == AUDIO
    assert (account["username"], [key["name"] for key in account["keys"]]) == ("alice", ["gateway"])
    assert "digest" not in json.dumps(account)
    assert described["text"] == "alpha bravo"
    assert (described["metadata"], described["corrections"]) == ({"room": "B 12"}, {"0": "alpha brava"})


def test_stored_audio_is_listed_and_others_learn_nothing_of_it(api: Client, bob: Client, alice: User, audio_dir: Path) -> None:
    session = make_session("alpha", owner=alice)
    store_audio(session, 1)
    address = f"/api/v1/sessions/{session.pk}/audio/"

    (listed,) = api.get(address).json()

    assert (listed["number"], listed["duration_ms"], listed["num_bytes"]) == (1, 4_000, len(AUDIO))
    assert [bob.get(each).status_code for each in (address, f"{address}1/")] == [404, 404]
    assert api.get(f"{address}0/").status_code == 404


@pytest.mark.usefixtures("_served")
@pytest.mark.django_db(transaction=True)
async def test_stored_audio_can_be_downloaded_until_its_file_is_gone(alice: User, audio_dir: Path) -> None:
    session = await sync_to_async(make_session)("alpha", owner=alice)
    path = await sync_to_async(store_audio)(session)
    address = f"/api/v1/sessions/{session.pk}/audio/0/"

    response, content = await body_of(alice, address)
    path.unlink()
    gone, _content = await body_of(alice, address)

    assert (content, response["Content-Length"], response["Content-Type"]) == (AUDIO, str(len(AUDIO)), "audio/flac")
    assert gone.status_code == 404
