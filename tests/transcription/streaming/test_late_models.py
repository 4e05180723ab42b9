"""A route's model that an inference process does not have yet: who speaks there goes over to it when the process has it.

The real application, and real inference processes with scripted models.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async

from inference.client import models
from inference.errors import LinkLostError
from inference.messages import LoadModel, ModelSpec
from tests.factories import make_model, make_route
from tests.inference.worker import Worker, running_worker
from tests.stream_client import assert_well_formed
from tests.transcription.test_consumers import FIRST, PATIENCE_S, SECOND, Socket
from tests.transcription.web_process import running_web_process
from transcription.models import ModelRoute
from transcription.recognizer import current_client
from transcription.streaming.live import live_streams

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    """Two, each with the model `fake` only."""
    with running_worker(f"unix:{tmp_path / 'a.sock'}") as one, running_worker(f"unix:{tmp_path / 'b.sock'}") as two:
        yield [one, two]


@pytest.fixture(autouse=True)
async def web_process(workers: list[Worker], settings: Any) -> AsyncIterator[None]:
    async with running_web_process(workers[0], settings):
        settings.HARK_INFERENCE_ADDRESS = ",".join(worker.address for worker in workers)
        yield


async def load(worker: Worker, name: str) -> None:
    """As soon as the process listens."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await models.load(worker.address, LoadModel(spec=ModelSpec(name=name, source="fake")))
            except LinkLostError:
                await asyncio.sleep(0.1)
            else:
                return


@sync_to_async
def route_to(name: str) -> None:
    """As a swap does it when each process that answers has the model."""
    model = make_model(name)
    if not ModelRoute.objects.update(model=model):
        make_route(name, "")


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- nobody but the test wants to know
            await asyncio.sleep(0.02)


async def all_ready() -> None:
    client = current_client()
    await until(lambda: all(link.can_take for link in client.workers))


async def speakers() -> list[Socket]:
    """One at each process, in the order of the processes."""
    await all_ready()
    sockets = [await begin_to_speak() for _worker in current_client().workers]
    return sorted(sockets, key=place_of)


async def begin_to_speak() -> Socket:
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)
    await socket.expect("final")
    return socket


def place_of(socket: Socket) -> str:
    """The name of the process that recognises."""
    handle = live_streams()[UUID(socket.messages[0]["session"])].handle
    assert handle is not None
    return current_client()._places[handle.number].name


async def test_who_speaks_to_a_process_that_gets_the_model_late_goes_over_to_it_then(workers: list[Worker]) -> None:
    await route_to("fake")
    early, late = await speakers()
    await load(workers[0], "other")
    await route_to("other")
    await early.expect("model_changed")
    await late.say(SECOND, 1.0)
    assert (await late.expect("final"))["model"] == "fake"

    await load(workers[1], "other")
    changed = await late.expect("model_changed")
    await late.say(FIRST)

    assert_well_formed(await late.finish())
    assert changed == {"type": "model_changed", "model": "other", "from_segment": 2}
    assert late.text == f"{FIRST} {SECOND} {FIRST}"
    assert [final["model"] for final in late.of("final") if final["text"]] == ["fake", "fake", "other"]
    await early.finish()


async def test_who_speaks_to_a_process_that_is_restarted_without_the_model_comes_back_to_it(workers: list[Worker]) -> None:
    workers[1].kill()
    await load(workers[0], "other")
    await route_to("other")
    socket = await begin_to_speak()
    assert socket.of("final")[0]["model"] == "other"

    workers[0].restart()
    assert (await socket.expect("model_changed"))["model"] == "fake"
    await socket.say(SECOND, 1.0)
    assert (await socket.expect("final"))["model"] == "fake"
    await load(workers[0], "other")
    assert (await socket.expect("model_changed"))["model"] == "other"
    await socket.say(FIRST)

    assert_well_formed(await socket.finish())
    assert socket.text == f"{FIRST} {SECOND} {FIRST}"
    assert [final["model"] for final in socket.of("final") if final["text"]] == ["other", "fake", "other"]
