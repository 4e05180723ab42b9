"""Servers and weights for the acceptance checks; each is started or loaded once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.recordings import Ears, loaded
from tests.stack import Stack, running_stack

MAX_STREAMS = 48


@pytest.fixture(scope="session")
def scripted_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Web and inference with the scripted engine and room for 48 streams."""
    folder = tmp_path_factory.mktemp("acceptance")
    with running_stack(folder, HARK_MODELS="fake", HARK_MAX_STREAMS=str(MAX_STREAMS), HARK_MAX_DELAY_MS="1000") as stack:
        yield stack


@pytest.fixture(scope="session")
def ears(speech_dir: Path) -> Ears:
    """whisper-tiny.en. Only for tests that have the speech set."""
    return Ears(loaded("whisper-tiny.en"))


@pytest.fixture(scope="session")
def base_ears(speech_dir: Path) -> Ears:
    """whisper-base, which knows many languages."""
    return Ears(loaded("whisper-base"))
