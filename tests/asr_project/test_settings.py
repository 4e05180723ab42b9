"""Addresses as settings understand them."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from asr_project.settings import database_from_url, site_url, url_prefix


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://hark:p%40ss@db.example:5433/speech", ("speech", "hark", "p@ss", "db.example", "5433")),
        ("postgres://hark@db.example/speech", ("speech", "hark", "", "db.example", "")),
        ("postgresql://postgres@/hark?host=%2Frun%2Fa%20b&port=5432", ("hark", "postgres", "", "/run/a b", "5432")),
    ],
)
def test_a_database_address_is_taken_apart(url: str, expected: tuple[str, ...]) -> None:
    entry = database_from_url(url)
    assert tuple(entry[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == expected


@pytest.mark.parametrize("url", ["mysql://hark@db.example/speech", "postgresql://db.example/", "speech"])
def test_an_address_that_is_no_postgresql_database_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must look like postgresql://"):
        database_from_url(url)


@pytest.mark.parametrize(("text", "prefix"), [("", ""), ("/", ""), ("/speech", "/speech"), ("/a/hark/", "/a/hark")])
def test_a_prefix_is_taken_without_its_last_slash(text: str, prefix: str) -> None:
    assert url_prefix(text) == prefix


@pytest.mark.parametrize("text", ["speech", "/spe ech", "https://a.example/speech", "//speech", "/speech?x"])
def test_a_prefix_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="HARK_URL_PREFIX is .* expected a path such as /speech"):
        url_prefix(text)


@pytest.mark.parametrize("text", ["", "https://a.example", "http://a.example:8080/", "https://[2001:db8::1]"])
def test_the_address_of_the_site_has_no_path(text: str) -> None:
    assert site_url(text) == text.rstrip("/")


@pytest.mark.parametrize("text", ["a.example", "ftp://a.example", "https://a.example/speech", "https://a b"])
def test_another_address_of_the_site_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="HARK_SITE_URL is .* without a path"):
        site_url(text)
