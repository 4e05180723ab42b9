"""Tests of the package in clients/python."""

import pytest

from hark import backoff


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnects come at once; how the waits grow is tested by itself."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)
