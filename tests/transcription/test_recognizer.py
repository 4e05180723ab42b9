"""One link to recognition for each event loop."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from transcription.recognizer import close_client, current_client, current_status


@pytest.fixture(autouse=True)
def nobody_answers(settings: Any, tmp_path: Path) -> None:
    settings.HARK_INFERENCE_ADDRESS = f"unix:{tmp_path / 'nobody.sock'}"


async def test_an_event_loop_has_one_client_until_it_is_closed() -> None:
    first = current_client()
    assert current_client() is first

    await close_client()

    second = current_client()
    assert second is not first
    await close_client()


async def test_closing_without_a_client_is_fine() -> None:
    await close_client()


async def test_another_event_loop_has_another_client() -> None:
    ours = current_client()

    theirs = await asyncio.to_thread(lambda: asyncio.run(client_number()))

    assert theirs != id(ours)
    await close_client()


async def client_number() -> int:
    number = id(current_client())
    await close_client()
    return number


async def test_the_status_is_known_within_a_second_when_nobody_answers() -> None:
    async with asyncio.timeout(1):
        status = await current_status()

    assert not status.is_ready
    assert status.detail
    await close_client()
