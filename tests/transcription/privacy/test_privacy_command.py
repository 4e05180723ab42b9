"""`manage.py privacy`: what an operator without a browser can do."""

from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tests.factories import make_session, make_user
from transcription.models import Session

pytestmark = pytest.mark.django_db


def said_by(*arguments: Any) -> str:
    out = StringIO()
    call_command("privacy", *arguments, stdout=out)
    return out.getvalue()


def test_the_sweep_says_what_it_deleted(settings: Settings) -> None:
    settings.HARK_RETENTION_DAYS = 1
    make_session("alpha")  # of long ago

    assert said_by("sweep") == "1 sessions, 0 stretches of audio and 0 stray files were deleted.\n"


def test_erasing_tells_how_much_is_gone_and_what_takes_a_moment() -> None:
    alice = make_user("alice")
    kept = make_session("alpha")
    make_session("bravo", owner=alice)

    assert said_by("erase", "--user", "alice") == "1 sessions were deleted.\n"
    make_session("charlie", owner=alice, status=Session.Status.LIVE)
    assert said_by("erase", "--user", "alice").startswith("1 sessions are being spoken.")
    assert said_by("erase", "--of-nobody") == "1 sessions were deleted.\n"
    assert not Session.objects.filter(pk=kept.pk).exists()


def test_an_export_is_a_new_file_for_its_owner_alone(tmp_path: Path) -> None:
    session = make_session("alpha", owner=make_user("alice"))
    path = tmp_path / "alice.zip"

    said_by("export", "--user", "alice", path)

    assert path.stat().st_mode & 0o077 == 0
    with ZipFile(path) as archive:
        assert f"sessions/{session.pk}.json" in archive.namelist()
    with pytest.raises(CommandError, match=r"alice\.zip cannot be written: File exists\. Name a new file"):
        said_by("export", "--user", "alice", path)
    with pytest.raises(CommandError, match="There is no user 'carol'"):
        said_by("export", "--user", "carol", tmp_path / "carol.zip")
