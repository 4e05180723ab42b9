"""A real inference process whose only model makes room while people speak: their streams go on in another one."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from inference import keeper as keeper_module
from inference.client import InferenceClient, models
from inference.client.models import ModelRefusedError
from inference.messages import LoadModel, ModelSpec, StreamOpened, UnloadModel
from tests.inference.conftest import OpenClient
from tests.inference.test_swaps import Speaker, a_load, names, running_server, say_hello
from tests.inference.worker import PATIENCE_S, listen, running_worker, say, send_in_pieces

pytestmark = pytest.mark.integration
ROOM = UnloadModel(model="fake", is_elsewhere=True)


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[list[str]]:
    """Of two processes that have the scripted engine."""
    with ExitStack() as stack:
        yield [stack.enter_context(running_worker(f"unix:{tmp_path / name}.sock")).address for name in ("a", "b")]


async def speakers_at(addresses: list[str], client: InferenceClient) -> list[Speaker]:
    """Eight that have been opened; half of them at each process."""
    for address in addresses:
        await names(address)
    async with asyncio.timeout(PATIENCE_S):
        while not all(link.can_take for link in client.workers):  # noqa: ASYNC110  # links set no event for tests
            await asyncio.sleep(0.01)
    speakers = say_hello(client)
    for speaker in speakers:
        await speaker.listener.heard(StreamOpened)
    assert {client._places[speaker.handle.number].address for speaker in speakers} == set(addresses)
    return speakers


async def test_streams_go_on_in_the_other_process_and_no_word_is_lost(addresses: list[str], open_client: OpenClient) -> None:
    client = open_client(*addresses)
    speakers = await speakers_at(addresses, client)
    is_over = asyncio.Event()
    speaking = [asyncio.create_task(speaker.speak(is_over)) for speaker in speakers]

    unloaded = await models.unload(addresses[0], ROOM)
    without = await names(addresses[0])
    places = {client._places[speaker.handle.number].address for speaker in speakers}
    await models.load(addresses[0], a_load("fake"))
    await models.unload(addresses[1], ROOM)
    is_over.set()
    await asyncio.gather(*speaking)

    assert (without, places) == ([], {addresses[1]})
    assert unloaded.num_moved > 0
    assert await names(addresses[0]) == ["fake"]
    for speaker in speakers:
        speaker.assert_heard()


async def test_a_stream_that_stops_within_a_word_does_not_hold_the_room_for_ever(
    address: str, monkeypatch: pytest.MonkeyPatch, open_client: OpenClient
) -> None:
    monkeypatch.setattr(keeper_module, "BOUNDARY_PATIENCE_S", 0.2)
    async with running_server(address):
        handle, listener = listen(open_client(address))
        await send_in_pieces(handle, say("alpha bravo"))
        await listener.until(lambda: len(listener.events) > 2)

        await models.unload(address, ROOM)
        await send_in_pieces(handle, say("charlie"))
        await models.load(address, a_load("fake"))
        handle.end()
        await listener.over()

    assert listener.words == ["alpha", "bravo", "charlie"]


async def test_a_model_that_is_asked_for_again_while_it_makes_room_stays(address: str, open_client: OpenClient) -> None:
    async with running_server(address):
        handle, listener = listen(open_client(address))
        await send_in_pieces(handle, say("alpha bravo"))
        await listener.until(lambda: len(listener.events) > 2)
        making = asyncio.create_task(models.unload(address, ROOM))
        async with asyncio.timeout(PATIENCE_S):
            while not (await models.status(address)).models[0].is_draining:  # noqa: ASYNC110  # there is no event for tests
                await asyncio.sleep(0.01)

        await models.load(address, LoadModel(spec=ModelSpec(name="fake")))
        with pytest.raises(ModelRefusedError, match="asked for again"):
            await making
        await send_in_pieces(handle, say("charlie"))
        handle.end()
        await listener.over()

    assert listener.words == ["alpha", "bravo", "charlie"]


async def test_a_model_stands_for_one_that_made_room_as_soon_as_it_is_told_so(address: str) -> None:
    async with running_server(address):
        await names(address)
        await models.load(address, a_load("second"))
        await models.unload(address, UnloadModel(model="first", successor="second"))

        (_fake, second) = (await models.status(address)).models
        assert second.replaces == ("first",)
