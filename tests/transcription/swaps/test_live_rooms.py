"""Two real inference processes with memory for one model each change it while people speak to them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile
from django.db import connection

from inference.client import InferenceClient, StreamHandle
from inference.engines.fake import speak
from inference.messages import ConfigureStream, ModelChanged, StreamOpened
from tests.inference import worker as worker_module
from tests.inference.small_worker import BALLAST_BYTES
from tests.inference.test_swaps import Speaker, names, say_hello
from tests.inference.worker import PATIENCE_S, Worker, running_worker
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import InferenceFleet, request_swap, run_swap, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.timeout(240)]
Reason, State = ModelSwap.Reason, ModelSwap.State
SMALL = "tests.inference.small_worker"


@pytest.fixture(autouse=True)
def a_clip_that_the_scripted_engine_hears(tmp_path: Path, settings: Any) -> None:
    settings.HARK_CANARY_DIR = tmp_path
    soundfile.write(tmp_path / "clip.wav", speak("alpha bravo charlie"), 16_000, subtype="PCM_16")
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"file": "clip.wav", "text": "Alpha bravo charlie", "lang": "en"}))


@pytest.fixture
def processes(tmp_path: Path, settings: Any) -> Iterator[list[Worker]]:
    addresses = [f"unix:{tmp_path / f'{number}.sock'}" for number in range(2)]
    settings.HARK_INFERENCE_ADDRESS = ",".join(addresses)
    settings.HARK_MODELS = ["fake"]
    busy = {"HARK_MAX_DELAY_MS": "0"}  # where other tests run beside these, neither is to count as overloaded
    with running_worker(addresses[0], SMALL, **busy) as first, running_worker(addresses[1], SMALL, **busy) as second:
        yield [first, second]


@dataclass
class Talk:
    """Eight people who speak to both processes, and the web process that leads them to the model of the route."""

    client: InferenceClient
    route: ModelRoute
    loop: asyncio.AbstractEventLoop
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    speakers: list[Speaker] = field(default_factory=list)
    speaking: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def begin(self) -> None:
        self.speakers = say_hello(self.client, model="old")
        for speaker in self.speakers:
            await speaker.listener.heard(StreamOpened)
        self.speaking = [asyncio.create_task(speaker.speak(self.is_over)) for speaker in self.speakers]

    async def assert_heard(self) -> None:
        """When everybody has said what he wants to say."""
        self.is_over.set()
        await asyncio.gather(*self.speaking)
        for speaker in self.speakers:
            speaker.assert_heard()

    def follow(self, _seconds: float) -> None:
        """While the swap waits for web processes, on its thread."""
        model = ModelRoute.objects.get().model.name
        led: Future[None] = asyncio.run_coroutine_threadsafe(self.lead(model), self.loop)
        led.result()

    async def lead(self, model: str) -> None:
        for speaker in self.speakers:
            speaker.handle.configure(ConfigureStream(stream=speaker.handle.number, model=model))

    @property
    def places(self) -> set[str]:
        return {self.client._places[speaker.handle.number].name for speaker in self.speakers}


@pytest.fixture
async def talk(processes: list[Worker], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    """It has begun, with the model `old` in both processes, and one more would not fit."""
    addresses = [worker.address for worker in processes]
    for address in addresses:
        await names(address)
    route = await asyncio.to_thread(seed)
    client = InferenceClient(*addresses)
    async with asyncio.timeout(PATIENCE_S):
        while not all(link.can_take and len(link.status.models) == 2 for link in client.workers):  # noqa: ASYNC110  # as the pool's
            await asyncio.sleep(0.01)
    begun = Talk(client, route, asyncio.get_running_loop())
    monkeypatch.setattr(running, "time", SimpleNamespace(sleep=begun.follow))
    await begun.begin()
    assert begun.places == {"inference-0", "inference-1"}
    yield begun
    await client.close()


def seed() -> ModelRoute:
    try:
        route = ModelRoute.objects.create(model=a_model("old"), is_enabled=False)
        run_swap(request_swap(route, route.model, Reason.MANUAL).pk, InferenceFleet())
        return ModelRoute.objects.get(is_enabled=True)
    finally:
        connection.close()


def a_model(name: str, faults: str = "") -> ASRModel:
    source = f"fake?ballast_bytes={BALLAST_BYTES}{faults}"
    return ASRModel.objects.create(name=name, engine="fake", source=source, multilingual=True)


def swapped_to(route: ModelRoute, name: str, faults: str = "") -> tuple[ModelSwap, str]:
    """The swap when it is over, and the model of the route."""
    try:
        wish = request_swap(route, a_model(name, faults), Reason.MANUAL)
        run_swap(wish.pk, InferenceFleet())
        return ModelSwap.objects.get(pk=wish.pk), ModelRoute.objects.get().model.name
    finally:
        connection.close()


def stages(swap: ModelSwap) -> list[tuple[str, str]]:
    kinds = {"room", "later", "loaded", "back"}
    return [(step["worker"], step["stage"]) for step in swap.progress if step["stage"] in kinds]


async def in_memory(processes: list[Worker]) -> list[list[str]]:
    return [await names(worker.address) for worker in processes]


async def test_room_is_made_in_one_process_after_the_other_and_no_word_is_lost(talk: Talk, processes: list[Worker]) -> None:
    swap, serving = await asyncio.to_thread(swapped_to, talk.route, "new")
    await talk.assert_heard()

    assert (swap.state, swap.error, serving) == (State.DONE, "", "new")
    assert stages(swap) == [
        ("inference-0", "room"),
        ("inference-0", "loaded"),
        ("inference-1", "later"),
        ("inference-1", "loaded"),
    ]
    assert await in_memory(processes) == [["fake", "new"], ["fake", "new"]]
    for speaker in talk.speakers:
        assert [change.model for change in speaker.listener.of(ModelChanged)] == ["new"]


@pytest.mark.parametrize("faults", ["&is_mute=1", "&fails_to_load=1"])
async def test_a_model_that_fails_where_room_was_made_brings_the_old_one_back_and_no_word_is_lost(
    talk: Talk, processes: list[Worker], faults: str
) -> None:
    swap, serving = await asyncio.to_thread(swapped_to, talk.route, "broken", faults)
    await talk.assert_heard()

    assert (swap.state, serving) == (State.FAILED, "old")
    assert stages(swap) == [("inference-0", "room"), ("inference-0", "back")]
    assert await in_memory(processes) == [["fake", "old"], ["fake", "old"]]
    assert not any(speaker.listener.of(ModelChanged) for speaker in talk.speakers)


async def test_what_is_lost_while_room_is_made_would_be_noticed(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here streams that leave do not take along what is not settled."""
    monkeypatch.setattr(StreamHandle, "replay", lambda handle: [handle._opening()])
    monkeypatch.setattr(worker_module, "PATIENCE_S", 5.0)
    swap, _serving = await asyncio.to_thread(swapped_to, talk.route, "new")

    assert swap.state == State.DONE
    with pytest.raises((AssertionError, TimeoutError)):
        await talk.assert_heard()
