"""One link to recognition for each event loop."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.inference.worker import PATIENCE_S, running_worker
from transcription.recognizer import close_client, current_client, current_status, worker_readiness


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
    assert worker_readiness() == {"inference-0": False}
    await close_client()


@pytest.fixture
def two_of_three_processes(settings: Any, tmp_path: Path) -> Iterator[None]:
    addresses = [f"unix:{tmp_path / name}.sock" for name in "abc"]
    settings.HARK_INFERENCE_ADDRESS = ", ".join(addresses)
    with ExitStack() as stack:
        for address in addresses[1:]:
            stack.enter_context(running_worker(address))
        yield


@pytest.mark.integration
@pytest.mark.usefixtures("two_of_three_processes")
async def test_one_process_that_is_ready_is_enough_and_each_is_told_of() -> None:
    async with asyncio.timeout(PATIENCE_S):
        while sum(worker_readiness().values()) < 2:  # noqa: ASYNC110  # a link sets no event for tests
            await asyncio.sleep(0.01)

    status = await current_status()

    assert worker_readiness() == {"inference-0": False, "inference-1": True, "inference-2": True}
    assert (status.is_ready, [model.name for model in status.models]) == (True, ["fake"])
    await close_client()
