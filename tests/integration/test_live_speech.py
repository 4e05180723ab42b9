"""Speech through the whole server at the pace it was spoken: web process, link, inference, PostgreSQL."""

import asyncio

import httpx
import pytest

from benchmarks.live import play
from benchmarks.scoring import ErrorRate, units
from tests.speech import Clip, clips
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_every_clip_is_heard_accounted_and_stored_as_it_was_shown(hark_server: Stack) -> None:
    errors = ErrorRate()

    async def speak(clip: Clip) -> None:
        session = await play(hark_server.ws_url, clip.audio, {"language": clip.language})
        assert session.num_terminal == 1
        assert session.is_accounted
        assert session.of("partial"), "no text came while the speaker still talked"
        errors.add(units(clip.text, by_character=False), units(session.text, by_character=False))
        async with httpx.AsyncClient() as client:
            stored = (await client.get(f"{hark_server.http_url}/api/v1/sessions/{session.of('ready')[0]['session']}/")).json()
        assert [segment["text"] for segment in stored["segments"]] == [final["text"] for final in session.of("final")]

    await asyncio.gather(*(speak(clip) for clip in clips("en")))

    assert errors.percent < 25  # a few seconds of tiny.en; the larger set is measured in tests/acceptance


async def test_text_comes_while_the_speaker_still_talks(hark_server: Stack) -> None:
    clip = clips("en")[-1]

    session = await play(hark_server.ws_url, clip.audio, {"language": "en"})

    early = [time_s for message, time_s in zip(session.messages, session.times_s, strict=True) if message["type"] == "partial"]
    assert early
    assert early[0] < session.ended_s
