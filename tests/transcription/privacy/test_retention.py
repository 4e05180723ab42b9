"""The sweep deletes what is over its time, whatever belongs to it, and nothing else."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session as WebSession
from django.utils import timezone
from pytest_django import Settings

from tests.factories import make_session, make_user
from tests.transcription.privacy.stored import store_audio
from transcription.access import keys
from transcription.listeners import Scope
from transcription.models import ApiKey, Correction, ResumePoint, Segment, Session, StoredAudio
from transcription.privacy import retention
from transcription.privacy.places import unfinished
from transcription.privacy.retention import Swept, sweep

pytestmark = pytest.mark.django_db
NOTHING = Swept(0, 0, 0)


def said(days_ago: float, *texts: str, **fields: Any) -> Session:
    """A session that ended so long ago."""
    ended_at = timezone.now() - timedelta(days=days_ago)
    return make_session(*texts, started_at=ended_at - timedelta(hours=1), ended_at=ended_at, last_seen_at=ended_at, **fields)


def key(retention_days: int | None) -> ApiKey:
    name = f"days-{retention_days}"
    return keys.make_key(make_user(name), name, [Scope.STREAM], retention_days=retention_days)[0]


def left() -> set[Session]:
    return set(Session.objects.all())


def test_nothing_is_deleted_unless_the_operator_says_so() -> None:
    ancient = said(4_000, "alpha")

    assert sweep() == NOTHING
    assert left() == {ancient}


def test_a_session_goes_when_it_ended_longer_ago_than_the_server_keeps_any(settings: Settings) -> None:
    settings.HARK_RETENTION_DAYS = 30
    said(30.01, "alpha")
    young = said(29.99, "bravo")

    assert sweep().num_sessions == 1
    assert left() == {young}


def test_what_a_key_says_takes_the_place_of_what_the_server_says(settings: Settings) -> None:
    settings.HARK_RETENTION_DAYS = 30
    for_ever, a_day, a_year, as_ever = key(0), key(1), key(365), key(None)
    kept = {said(400, key=for_ever), said(0.5, key=a_day), said(364, key=a_year), said(20, key=as_ever)}
    said(2, key=a_day)
    said(366, key=a_year)
    said(31, key=as_ever)

    assert sweep().num_sessions == 3
    assert left() == kept


def test_a_key_has_its_term_even_where_the_server_keeps_everything() -> None:
    said(2, key=key(1))
    kept = said(2)

    sweep()

    assert left() == {kept}


def test_everything_that_belongs_to_a_session_goes_with_it(
    settings: Settings, audio_dir: Path, django_capture_on_commit_callbacks: Any
) -> None:
    settings.HARK_RETENTION_DAYS = 1
    old = said(2, "alpha bravo", metadata={"note": "canary"})
    ResumePoint.objects.create(session=old, token_hash="x", options={"hotwords": ["canary"]})
    fields = {"model": "m", "language": "en", "num_words": 1, "num_errors": 1}
    Correction.objects.create(segment=old.segments.get(), text="alpha canary", **fields)
    path = store_audio(old)

    with django_capture_on_commit_callbacks(execute=True):
        sweep()

    assert [table.objects.count() for table in (Session, Segment, ResumePoint, Correction, StoredAudio)] == [0] * 5
    assert not path.exists()
    assert list(audio_dir.iterdir()) == []


def test_a_session_that_is_being_spoken_stays_however_old_it_is(settings: Settings) -> None:
    settings.HARK_RETENTION_DAYS = 1
    live = said(3, status=Session.Status.LIVE)

    assert sweep() == NOTHING
    assert left() == {live}


def test_more_sessions_than_fit_in_a_batch_all_go(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HARK_RETENTION_DAYS = 1
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        said(2)

    assert sweep().num_sessions == 5
    assert left() == set()


def test_audio_goes_after_its_own_time_and_leaves_the_text(audio_dir: Path, django_capture_on_commit_callbacks: Any) -> None:
    session = said(8, "alpha")
    old = store_audio(session, 0, created_at=timezone.now() - timedelta(days=7.01))
    young = store_audio(session, 1, created_at=timezone.now() - timedelta(days=6.99))

    with django_capture_on_commit_callbacks(execute=True):
        assert sweep().num_audio == 1

    assert (old.exists(), young.exists()) == (False, True)
    assert session.segments.count() == 1


def test_a_server_that_stores_no_audio_any_more_deletes_all_of_it(
    audio_dir: Path, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    path = store_audio(said(0.1))
    settings.HARK_AUDIO_TTL_DAYS = 0

    with django_capture_on_commit_callbacks(execute=True):
        sweep()

    assert not path.exists()


def test_files_that_no_row_knows_go_after_an_hour(audio_dir: Path) -> None:
    session, live = said(0.1), said(0, status=Session.Status.LIVE)
    kept = store_audio(session)
    strays = [kept.with_name(f"{uuid4()}-0.flac"), kept.with_name("anything"), unfinished(kept)]
    fresh = kept.with_name(f"{uuid4()}-1.flac")
    growing = kept.with_name(f"{live.pk}-0.part")  # of a client that has not said anything for a while
    for path in (*strays, fresh, growing):
        path.write_bytes(b"")
    for path in (kept, *strays, growing):
        os.utime(path, (0, 0))

    assert sweep().num_files == len(strays)
    assert set(kept.parent.iterdir()) == {kept, fresh, growing}


def test_spent_logins_go_and_good_ones_stay() -> None:
    stores = [SessionStore(), SessionStore()]
    for store, days in zip(stores, (-1, 1), strict=True):
        store.create()
        WebSession.objects.filter(pk=store.session_key).update(expire_date=timezone.now() + timedelta(days=days))

    sweep()

    assert [session.pk for session in WebSession.objects.all()] == [stores[1].session_key]
