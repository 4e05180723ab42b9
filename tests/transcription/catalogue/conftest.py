"""A catalogue of its own for each test, and models to take in."""

from pathlib import Path
from typing import Any

import pytest

from transcription.catalogue.storage import Storage


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Storage:
    """Where imported models are kept; no inference process answers."""
    settings.HARK_MODELS_DIR = tmp_path / "models"
    settings.HARK_INFERENCE_ADDRESS = f"unix:{tmp_path / 'nobody.sock'}"
    return Storage(settings.HARK_MODELS_DIR)
