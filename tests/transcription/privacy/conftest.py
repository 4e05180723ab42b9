"""A folder for stored audio."""

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture
def audio_dir(tmp_path: Path, settings: Settings) -> Path:
    """Each test's own; audio may be stored for a week."""
    settings.HARK_AUDIO_DIR = tmp_path / "audio"
    settings.HARK_AUDIO_TTL_DAYS = 7
    return tmp_path / "audio"
