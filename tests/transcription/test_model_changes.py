"""Another model for people who are speaking: the real application, and a real inference process with two scripted models."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from inference.client import models
from inference.errors import LinkLostError
from inference.messages import LoadModel, ModelSpec, UnloadModel
from tests.factories import make_model, make_route, make_user
from tests.inference.worker import Worker, running_worker
from tests.stream_client import assert_well_formed
from tests.transcription.test_consumers import FIRST, PATIENCE_S, SECOND, Socket
from tests.transcription.web_process import running_web_process
from transcription.access import keys
from transcription.listeners import Scope
from transcription.models import ModelRoute
from transcription.streaming.live import live_streams

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """With the models `fake` and `other`, and `hasty`, which hears `zulu` and nothing else."""
    with running_worker(f"unix:{tmp_path_factory.mktemp('worker') / 'i.sock'}") as started:
        asyncio.run(load_also(started.address, "other"))
        asyncio.run(load_also(started.address, "hasty"))
        yield started


@pytest.fixture(autouse=True)
async def web_process(worker: Worker, settings: Any) -> AsyncIterator[None]:
    async with running_web_process(worker, settings):
        yield


SOURCES = {"fake": "fake", "other": "fake", "hasty": "fake?mishears=zulu"}


async def load_also(address: str, model: str) -> None:
    """As soon as the process listens."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await models.load(address, LoadModel(spec=ModelSpec(name=model, source=SOURCES[model])))
            except LinkLostError:
                await asyncio.sleep(0.1)
            else:
                return


@sync_to_async
def a_route(model: str, **fields: Any) -> None:
    make_route(model, **{"language": ""} | fields)


@sync_to_async
def give_route(model: str) -> None:
    """As a swap does it when the new model is loaded everywhere."""
    ModelRoute.objects.update(model=make_model(model))


async def test_a_route_decides_over_a_session_and_over_one_that_is_being_spoken() -> None:
    await a_route("other")
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)
    first = await socket.expect("final")
    await give_route("fake")
    changed = await socket.expect("model_changed")
    await socket.say(SECOND)

    messages = await socket.finish()

    assert (messages[0]["model"], first["model"]) == ("other", "other")
    assert changed == {"type": "model_changed", "model": "fake", "from_segment": 1}
    assert [final["model"] for final in socket.of("final") if final["text"]] == ["other", "fake"]
    assert socket.text == f"{FIRST} {SECOND}"
    assert_well_formed(messages)


async def test_a_segment_that_is_being_spoken_is_finished_by_the_model_that_began_it() -> None:
    await a_route("other")
    socket = await Socket().open()
    await socket.say(FIRST)  # no pause after it: the segment is open
    await socket.expect("partial")
    await give_route("fake")
    await until_asked_for("fake")
    await socket.say(SECOND, 1.0)
    await socket.say(FIRST)

    await socket.finish()

    assert [final["model"] for final in socket.of("final") if final["text"]] == ["other", "fake"]
    assert [message["from_segment"] for message in socket.of("model_changed")] == [1]
    assert socket.text == f"{FIRST} {SECOND} {FIRST}"


async def until_asked_for(model: str) -> None:
    """Until the only live session was led to `model`."""
    [stream] = live_streams().values()
    while stream.session.terms.steering.asked.model != model:  # noqa: ASYNC110 -- nobody but the test wants to know
        await asyncio.sleep(0.02)


async def test_a_session_that_named_its_model_keeps_it() -> None:
    await a_route("other")
    chosen, routed = await Socket().open(), await Socket().open()
    await chosen.tell("start", model="other")
    for socket in (chosen, routed):
        await socket.say(FIRST, 1.0)
        await socket.expect("final")
    await give_route("fake")
    await routed.expect("model_changed")
    await chosen.say(SECOND)
    await routed.finish()

    await chosen.finish()

    assert chosen.of("model_changed") == []
    assert {final["model"] for final in chosen.of("final")} == {"other"}


async def test_a_scenario_has_its_own_model() -> None:
    await a_route("fake")
    await a_route("other", scenario="telephony")
    socket = await Socket().open()
    await socket.tell("start", scenario="telephony")

    ready = await socket.expect("ready")

    assert ready["model"] == "other"
    await socket.finish()


@sync_to_async
def a_key(*scopes: Scope) -> list[tuple[bytes, bytes]]:
    """The header of somebody's API key."""
    _key, text = keys.make_key(make_user(f"user-{len(scopes)}"), "tests", scopes)
    return [(b"authorization", f"Bearer {text}".encode())]


async def test_a_key_chooses_the_model_only_with_the_scope_for_it() -> None:
    bare = await Socket(await a_key(Scope.STREAM)).open()
    await bare.tell("start", model="other")
    error = await bare.expect("error")
    await bare.read_all()
    entitled = await Socket(await a_key(Scope.STREAM, Scope.CHOOSE_MODEL)).open()
    await entitled.tell("start", model="other")
    ready = await entitled.expect("ready")
    await entitled.finish()

    assert (error["code"], bare.code) == ("model_not_allowed", 4403)
    assert ready["model"] == "other"


@sync_to_async
def pair_route(accurate: str, fast: str | None) -> None:
    """As somebody does it in the admin site when both are loaded."""
    ModelRoute.objects.all().delete()
    make_route(accurate, "en", partial_model=None if fast is None else make_model(fast))


async def until_paired(fast: str | None) -> None:
    [stream] = live_streams().values()
    while stream.session.terms.steering.asked.partial_model != fast:  # noqa: ASYNC110 -- nobody but the test wants to know
        await asyncio.sleep(0.02)


async def said_by_two(socket: Socket, text: str) -> None:
    """Word by word, so that there are partials, and a pause."""
    for word in text.split():
        await socket.say(word)
    await socket.say("", 1.0)
    await socket.expect("final")


def writers(socket: Socket, segment: int) -> tuple[set[str], list[tuple[str, bool]]]:
    """Who wrote the partials of a segment, and its final, and whether that revises them."""
    partials = {message["model"] for message in socket.of("partial") if message["segment"] == segment}
    finals = [message for message in socket.of("final") if message["segment"] == segment]
    return partials, [(final["model"], final["revised"]) for final in finals]


async def test_two_models_hear_one_speaker_and_either_is_swapped_while_he_speaks(worker: Worker) -> None:
    """The fast one mishears, so each of its segments is revised; without it, and with one that hears well, none is."""
    await pair_route("fake", "hasty")
    socket = await Socket().open()
    await said_by_two(socket, FIRST)
    await pair_route("other", "hasty")  # another accurate one
    await socket.expect("model_changed")
    await said_by_two(socket, SECOND)
    await pair_route("other", "fake")  # another fast one
    await until_paired("fake")
    await said_by_two(socket, FIRST)
    await models.unload(worker.address, UnloadModel(model="fake", successor="other"))  # and none
    await until_paired(None)
    await said_by_two(socket, SECOND)

    messages = await socket.finish()
    await load_also(worker.address, "fake")

    assert [writers(socket, segment) for segment in range(4)] == [
        ({"hasty"}, [("fake", True)]),
        ({"hasty"}, [("other", True)]),
        ({"fake"}, [("other", False)]),
        ({"other"}, [("other", False)]),
    ]
    assert socket.text == f"{FIRST} {SECOND} {FIRST} {SECOND}"
    assert_well_formed(messages)
