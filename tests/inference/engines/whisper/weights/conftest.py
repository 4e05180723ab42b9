"""The shipped tiny.en, and what it says about a clip."""

from pathlib import Path

import pytest

from inference.engines.whisper.weights.layout import Weights
from inference.engines.whisper.weights.standard import tiny_en_folder
from tests.inference.engines.whisper.weights.listening import heard, shipped_tiny_en


@pytest.fixture(scope="session")
def tiny_en() -> Weights:
    return shipped_tiny_en().load()


@pytest.fixture(scope="session")
def tiny_en_text() -> str:
    return heard(shipped_tiny_en()).text


@pytest.fixture(scope="session")
def english_tokenizer() -> Path:
    return tiny_en_folder() / "tokenizer.json"
