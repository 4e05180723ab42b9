"""Typed readers: a bad value stops the process and names its variable."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from asr_project import env


@pytest.mark.parametrize(("word", "expected"), [("true", True), ("1", True), (" ON ", True), ("no", False), ("0", False)])
def test_a_switch_is_read_in_any_usual_spelling(monkeypatch: pytest.MonkeyPatch, word: str, expected: bool) -> None:
    monkeypatch.setenv("HARK_TEST", word)
    assert env.read_bool("HARK_TEST", default=not expected) is expected


def test_a_switch_that_is_neither_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_TEST", "maybe")
    with pytest.raises(ImproperlyConfigured, match="HARK_TEST is 'maybe'; expected one of true, false"):
        env.read_bool("HARK_TEST", default=True)


@pytest.mark.parametrize(
    ("text", "complaint"), [("ten", "'ten'; expected a whole number"), ("0", "0; expected 1 to 9"), ("10", "10; expected 1 to 9")]
)
def test_a_number_out_of_range_names_its_variable(monkeypatch: pytest.MonkeyPatch, text: str, complaint: str) -> None:
    monkeypatch.setenv("HARK_TEST", text)
    with pytest.raises(ImproperlyConfigured, match=f"HARK_TEST is {complaint}"):
        env.read_int("HARK_TEST", 5, minimum=1, maximum=9)


def test_a_word_outside_the_list_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_TEST", "everybody")
    with pytest.raises(ImproperlyConfigured, match="HARK_TEST is 'everybody'; expected one of off, loopback"):
        env.read_choice("HARK_TEST", "off", ["off", "loopback"])


def test_a_list_drops_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_TEST", " a, ,b,")
    assert env.read_list("HARK_TEST", []) == ["a", "b"]


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("HARK_TEST_FILE", str(tmp_path / "secret"))
    assert env.read_str("HARK_TEST", "") == "s3cret"


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARK_TEST_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match=r"HARK_TEST_FILE points at .*nowhere.*No such file"):
        env.read_str("HARK_TEST", "")
