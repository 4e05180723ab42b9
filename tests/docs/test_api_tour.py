"""docs/api.md: its addresses exist, its parameters are those of the code, its error is the one that comes."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from django.test import Client
from django.urls import resolve

from tests.factories import make_user
from transcription.api.filters import SessionFilter
from transcription.api.views import SessionTranscript, UnknownAddress

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
ADDRESSES = re.findall(r'"\$HARK(/[^"?]*)(?:\?([^"]*))?"', PAGE)


def table(heading: str) -> list[str]:
    """First cells of the table whose heading row begins with `heading`."""
    rows = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize("address", sorted({path for path, _query in ADDRESSES}))
def test_every_address_of_the_tour_exists(address: str) -> None:
    match = resolve(address.replace("$ID", "7d1f6a52-3c0e-4a55-9b55-1f6f1f0c8a11"))

    assert getattr(match.func, "cls", None) is not UnknownAddress


def test_the_tour_has_its_addresses() -> None:
    assert len(ADDRESSES) > 12


@pytest.mark.django_db
@pytest.mark.parametrize("query", sorted({query for path, query in ADDRESSES if path == "/api/v1/sessions/" and query}))
def test_every_search_of_the_tour_is_accepted(client: Client, query: str) -> None:
    client.force_login(make_user())

    assert client.get("/api/v1/sessions/", dict(parse_qsl(query))).status_code == 200


def test_every_parameter_is_listed() -> None:
    assert set(table("parameter")) == {*SessionFilter.base_filters, "page_size", "cursor"}


def test_every_format_is_listed() -> None:
    assert table("`format`") == [renderer.format for renderer in SessionTranscript.renderer_classes]


@pytest.mark.django_db
def test_the_error_of_the_tour_is_the_one_that_comes(client: Client) -> None:
    client.force_login(make_user())
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)

    assert client.get("/api/v1/sessions/", {"status": "done"}).json() == json.loads(shown)
