"""`manage.py apikeys`: keys without a browser."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.factories import make_user
from transcription.access.keys import UnusableKey, use_key
from transcription.models import ApiKey

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    """What the command writes to its standard output."""
    output = StringIO()
    call_command("apikeys", *arguments, stdout=output, stderr=StringIO())
    return output.getvalue()


def test_a_key_is_printed_alone_on_a_line_so_that_it_can_be_piped() -> None:
    alice = make_user("alice")

    text = said("create", "alice", "gateway")

    assert text.count("\n") == 1
    key = use_key(text.strip())
    assert (key.owner, key.name, key.scopes, key.expires_at) == (alice, "gateway", ["stream"], None)


def test_scopes_quotas_and_end_are_kept() -> None:
    make_user("alice")
    options = ["--scope", "transcripts:read", "--scope", "stream", "--max-streams", "3", "--max-audio-s-per-day", "60"]
    options += ["--retention-days", "0", "--stores-audio"]

    key = use_key(said("create", "alice", "gateway", *options, "--expires-in-days", "2").strip())

    assert (key.scopes, key.max_streams, key.max_audio_s_per_day) == (["stream", "transcripts:read"], 3, 60)
    assert (key.retention_days, key.stores_audio) == (0, True)
    assert key.expires_at is not None
    assert timedelta(days=1) < key.expires_at - timezone.now() <= timedelta(days=2)


def test_the_list_names_keys_and_their_state_but_no_secret() -> None:
    make_user("alice"), make_user("bob")
    text = said("create", "alice", "gateway").strip()
    said("create", "bob", "other")
    prefix = text.split("_")[1]

    assert f"{prefix}  alice  gateway  stream  usable, never used" in said("list")
    assert said("list", "alice").count("\n") == 1
    assert text.rsplit("_", 1)[1] not in said("list")

    use_key(text)
    said("revoke", prefix)

    assert "revoked, last used" in said("list", "alice")


def test_a_revoked_key_opens_nothing() -> None:
    make_user("alice")
    text = said("create", "alice", "gateway").strip()

    assert said("revoke", text.split("_")[1]) == "gateway is revoked.\n"

    with pytest.raises(UnusableKey):
        use_key(text)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["create", "nobody", "gateway"], "There is no user 'nobody'"),
        (["list", "nobody"], "There is no user 'nobody'"),
        (["revoke", "AAAAAAAA"], "There is no key with the prefix 'AAAAAAAA'"),
        (["create", "alice", "gateway", "--scope", "everything"], "everything"),
        (["create", "alice", "gateway", "--max-streams", "0"], "not a whole number of at least 1"),
        (["create", "alice", "gateway", "--expires-in-days", "40000"], "expected 1 to 36500"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments: list[Any], problem: str) -> None:
    make_user("alice")

    with pytest.raises(CommandError, match=problem):
        said(*arguments)
    assert not ApiKey.objects.exists()
