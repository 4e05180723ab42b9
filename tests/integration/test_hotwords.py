"""Hotwords through the whole server: they help the session that gave them and nobody else."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.live import play
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

NAMES = ["Chautauqua", "Ruthwaite", "Emacs"]


@pytest.fixture(scope="module")
def spoken(speech_dir: Path) -> np.ndarray:
    """Somebody saying "It is situated at the northwest end of Chautauqua Lake.", which tiny.en hears as "Shatakua"."""
    return np.asarray(soundfile.read(speech_dir / "cv-en-20714255.flac", dtype="float32")[0])


async def heard(server: Stack, audio: np.ndarray, **start: Any) -> str:
    session = await play(server.ws_url, audio, {"language": "en"} | start)
    assert [warning["code"] for warning in session.of("warning")] == []
    return session.text


async def test_a_name_is_heard_by_the_session_that_expects_it_and_by_no_other(hark_server: Stack, spoken: np.ndarray) -> None:
    texts = await asyncio.gather(
        heard(hark_server, spoken, hotwords=NAMES), heard(hark_server, spoken), heard(hark_server, spoken, hotwords=NAMES[1:])
    )

    assert ["Chautauqua" in text for text in texts] == [True, False, False]
    assert not any(name in text for text in texts for name in NAMES[1:])
