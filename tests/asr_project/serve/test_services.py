"""Services that the operator runs: asked once, and one sentence when they do not answer."""

import os

import pytest

from asr_project.serve.errors import CannotStart
from asr_project.serve.services import require_database, require_valkey


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hark:secret@127.0.0.1:1/hark",
        "postgresql://hark:secret@/hark?host=/nonexistent",
    ],
)
def test_a_database_that_does_not_answer_is_named_by_its_variable_and_keeps_its_password(url: str) -> None:
    with pytest.raises(
        CannotStart, match=r"^The database at DATABASE_URL does not answer \(.+\): start it, or correct DATABASE_URL\.$"
    ) as caught:
        require_database(url)
    assert "secret" not in str(caught.value)


def test_an_address_that_is_none_is_not_repeated_with_its_password() -> None:
    with pytest.raises(CannotStart, match=r"^DATABASE_URL is no address: it must look like postgresql://") as caught:
        require_database("mysql://hark:secret@host/hark")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:1/0", "http://:secret@127.0.0.1/"])
def test_a_valkey_that_does_not_answer_is_named_by_its_variable_and_keeps_its_password(url: str) -> None:
    with pytest.raises(
        CannotStart, match=r"^The Valkey at REDIS_URL does not answer \(.+\): start it, or correct REDIS_URL\.$"
    ) as caught:
        require_valkey(url)
    assert "secret" not in str(caught.value)


@pytest.mark.integration
def test_services_that_answer_pass() -> None:
    require_database(os.environ["DATABASE_URL"])
    require_valkey(os.environ["REDIS_URL"])
