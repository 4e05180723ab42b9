"""The admin site's pages on erasures, stored audio, corrections and canary runs: who sees them and what can be done there."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.factories import make_session, make_user
from tests.transcription.privacy.stored import store_audio
from transcription.accuracy.corrections import correct
from transcription.models import CanaryRun, Erasure, StoredAudio
from transcription.privacy import erasure

pytestmark = pytest.mark.django_db


def page(table: str, verb: str = "changelist", *arguments: object) -> str:
    return reverse(f"admin:transcription_{table}_{verb}", args=arguments)


def member(group: str) -> Client:
    user = make_user(group, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def test_only_administrators_see_what_concerns_people() -> None:
    personal = ("correction", "storedaudio", "erasure")
    seen = {
        group: [client.get(page(table)).status_code for table in ("canaryrun", *personal)]
        for group in ("viewer", "operator", "administrator")
        for client in [member(group)]
    }

    assert seen == {"viewer": [200, 403, 403, 403], "operator": [200, 403, 403, 403], "administrator": [200, 200, 200, 200]}


def test_an_administrator_has_what_somebody_said_forgotten() -> None:
    alice = make_user("alice")
    make_session("alpha", owner=alice)
    site = member("administrator")

    answer = site.post(page("erasure", "add"), {"user": alice.pk})
    erasure.pursue()

    assert answer.status_code == 302
    assert (Erasure.objects.get().user, Erasure.objects.get().num_sessions) == (alice, 1)
    assert "alice" in site.get(page("erasure")).content.decode()
    assert site.post(page("erasure", "delete", Erasure.objects.get().pk), {"post": "yes"}).status_code == 403


def test_stored_audio_is_deleted_with_its_file(
    site: Client, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.HARK_AUDIO_DIR, settings.HARK_AUDIO_TTL_DAYS = tmp_path, 7
    path = store_audio(make_session("alpha", owner=make_user("alice")))
    listed = site.get(page("storedaudio")).content.decode()

    with django_capture_on_commit_callbacks(execute=True):
        site.post(page("storedaudio", "delete", StoredAudio.objects.get().pk), {"post": "yes"})

    assert ("alice" in listed, "0:04" in listed) == (True, True)
    assert (StoredAudio.objects.exists(), path.exists()) == (False, False)


def test_the_canarys_runs_say_how_much_was_wrong_or_why_nothing_was_heard(site: Client) -> None:
    good = CanaryRun.objects.create(model="tiny", language="en", num_clips=4, num_words=30, num_errors=5, heard="what was heard")
    CanaryRun.objects.create(model="tiny", language="zh", error="The server does not answer.")

    listed = site.get(page("canaryrun")).content.decode()

    assert ("16.7 %" in listed, "could not be played" in listed) == (True, True)
    assert "what was heard" in site.get(page("canaryrun", "change", good.pk)).content.decode()


def test_a_correction_stands_beside_what_was_heard_and_nobody_edits_it(site: Client) -> None:
    correction = correct(make_session("alpha bravo").segments.get(), "alpha brava")

    listed = site.get(page("correction")).content.decode()
    site.post(page("correction", "change", correction.pk), {"text": "something else"})
    correction.refresh_from_db()

    assert all(text in listed for text in ("alpha bravo", "alpha brava", "50.0 %"))
    assert correction.text == "alpha brava"
