"""Models that are loaded, changed and unloaded in a real inference process, while people speak to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice

import pytest

from inference import keeper as keeper_module
from inference.client import InferenceClient, StreamHandle, models
from inference.client.models import ModelRefusedError
from inference.client.pool import _merged
from inference.config import InferenceConfig
from inference.engines.fake import VOCABULARY, FakeEngine
from inference.errors import LinkLostError
from inference.keeper import ModelKeeper
from inference.messages import (
    AnyEvent,
    Canary,
    ConfigureStream,
    LoadModel,
    ModelChanged,
    ModelFailed,
    ModelInfo,
    ModelProgress,
    ModelSpec,
    ModelUnloaded,
    StreamDone,
    StreamFailed,
    StreamOpened,
    TranscriptFinal,
    UnloadModel,
)
from inference.moving import Mover
from inference.server import InferenceServer
from tests.inference.conftest import OpenClient
from tests.inference.test_moving import assert_changes_come_at_boundaries
from tests.inference.worker import PATIENCE_S, Listener, Worker, listen, running_worker, say, send_in_pieces

pytestmark = pytest.mark.integration

CANARY = Canary(payload=say("alpha bravo charlie"), text="alpha bravo charlie", language="en")
MB = 1_000_000
BALLAST_MB = 60
NUM_SWAPS = 20
NUM_STREAMS = 8
PAUSE_S = 0.8
"""Enough for a segment to end."""


def a_load(name: str, source: str = "fake", canary: Canary | None = CANARY) -> LoadModel:
    return LoadModel(spec=ModelSpec(name=name, source=source), canary=canary)


async def names(address: str) -> list[str]:
    """The models of the process, which may be just starting."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return [info.name for info in (await models.status(address)).models]
            except LinkLostError:
                await asyncio.sleep(0.05)  # nobody listens yet


@pytest.fixture
async def worker(address: str) -> AsyncIterator[Worker]:
    """A process that is ready."""
    with running_worker(address) as started:
        await names(address)
        yield started


@dataclass
class Progress:
    """Remembers the stages of a load."""

    stages: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, progress: ModelProgress) -> None:
        self.stages.append(progress.stage)
        self.news.set()

    async def until(self, stage: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while stage not in self.stages:
                self.news.clear()
                await self.news.wait()


async def test_a_model_is_loaded_beside_the_others_and_serves(worker: Worker, open_client: OpenClient) -> None:
    client = open_client(worker.address)
    await client.heard_status(PATIENCE_S)
    progress = Progress()

    loaded = await models.load(worker.address, a_load("second"), progress)
    handle, listener = listen(client, model="second")
    await send_in_pieces(handle, say("alpha bravo"))
    handle.end()
    await listener.over()

    assert progress.stages == ["checking", "loading", "warming", "canary"]
    assert (loaded.info.name, loaded.canary_wer) == ("second", 0.0)
    assert (await listener.heard(StreamOpened)).model == "second"
    assert [info.name for info in client.status.models] == ["fake", "second"]
    assert listener.words == ["alpha", "bravo"]


async def test_a_model_that_is_there_is_not_loaded_again(worker: Worker) -> None:
    first = await models.load(worker.address, a_load("second"))
    again = await models.load(worker.address, a_load("second"))
    built_in = await models.load(worker.address, LoadModel(spec=ModelSpec(name="fake")))

    assert first.load_ms + 1 > 0
    assert (again.load_ms, again.info, built_in.load_ms) == (0, first.info, 0)
    assert await names(worker.address) == ["fake", "second"]


async def test_another_model_of_the_same_name_is_refused(worker: Worker) -> None:
    await models.load(worker.address, a_load("second"))

    with pytest.raises(ModelRefusedError, match=r"Another model is called second here: from fake, in no precision") as refused:
        await models.load(worker.address, a_load("second", "fake?is_mute=1"))

    assert refused.value.code == "name_taken"


@pytest.mark.parametrize(
    ("source", "stage", "code"),
    [
        ("fake?fails_to_load=1", "loading", "weights_unusable"),
        ("fake?is_mute=1", "canary", "canary_failed"),
        ("/nowhere/model.pt", "checking", "weights_unusable"),
        ("fake?ballast_bytes=100000000000000", "checking", "out_of_memory"),
    ],
)
async def test_a_load_that_fails_leaves_the_old_model_serving(
    source: str, stage: str, code: str, worker: Worker, open_client: OpenClient
) -> None:
    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say("alpha bravo"))

    with pytest.raises(ModelRefusedError) as refused:
        await models.load(worker.address, a_load("second", source))
    await send_in_pieces(handle, say("charlie"))
    handle.end()
    await listener.over()

    assert (refused.value.stage, refused.value.code) == (stage, code)
    assert listener.words == ["alpha", "bravo", "charlie"]
    assert await names(worker.address) == ["fake"]


async def test_a_process_that_is_killed_in_a_load_is_told_of_and_its_streams_go_on(
    worker: Worker, open_client: OpenClient
) -> None:
    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say("alpha bravo"))
    await listener.heard_first()
    progress = Progress()
    loading = asyncio.create_task(models.load(worker.address, a_load("second", "fake?load_delay_s=60"), progress))
    await progress.until("loading")

    worker.restart()
    with pytest.raises(LinkLostError, match="ended"):
        await loading
    await send_in_pieces(handle, say("charlie"))
    handle.end()
    await listener.over()

    assert listener.words == ["alpha", "bravo", "charlie"]
    assert await names(worker.address) == ["fake"]


async def test_streams_go_on_while_a_model_takes_long_to_load(worker: Worker, open_client: OpenClient) -> None:
    progress = Progress()
    loading = asyncio.create_task(models.load(worker.address, a_load("second", "fake?load_delay_s=1.5"), progress))
    await progress.until("loading")

    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say("alpha bravo"))
    handle.end()
    await listener.over()

    assert not loading.done()
    assert listener.words == ["alpha", "bravo"]
    await loading


async def test_nobody_to_ask_is_told_of(address: str) -> None:
    with pytest.raises(LinkLostError, match=f"No inference process answers at {address}"):
        await models.load(address, a_load("second"))


async def test_a_load_that_takes_too_long_is_given_up_by_whoever_asked(worker: Worker) -> None:
    await models.status(worker.address)

    with pytest.raises(LinkLostError, match="did not do it within 1 s"):
        await models.load(worker.address, a_load("second", "fake?load_delay_s=5"), within_s=1.0)


async def test_a_model_that_is_unloaded_is_gone_with_its_memory(worker: Worker) -> None:
    loaded = await models.load(worker.address, a_load("second", f"fake?ballast_bytes={BALLAST_MB * MB}"))

    unloaded = await models.unload(worker.address, UnloadModel(model="second"))

    assert loaded.memory_bytes > 0.9 * BALLAST_MB * MB
    assert unloaded.memory_bytes_before - unloaded.memory_bytes_after > 0.9 * BALLAST_MB * MB
    assert await names(worker.address) == ["fake"]


async def test_a_model_that_is_not_there_is_unloaded_already(worker: Worker) -> None:
    unloaded = await models.unload(worker.address, UnloadModel(model="second"))

    assert unloaded.memory_bytes_before == unloaded.memory_bytes_after > 0


async def test_the_only_model_stays(worker: Worker) -> None:
    with pytest.raises(ModelRefusedError, match="fake is the only model here") as refused:
        await models.unload(worker.address, UnloadModel(model="fake"))

    assert refused.value.code == "model_needed"
    assert not any(info.is_draining for info in (await models.status(worker.address)).models)


async def test_a_model_with_a_stream_is_unloaded_when_that_is_over(worker: Worker, open_client: OpenClient) -> None:
    client = open_client(worker.address)
    await models.load(worker.address, a_load("second"))
    handle, listener = listen(client, model="second")
    await send_in_pieces(handle, say("alpha", PAUSE_S))
    await listener.heard(TranscriptFinal)
    progress = Progress()
    unloading = asyncio.create_task(models.unload(worker.address, UnloadModel(model="second", drain_s=60), progress))
    await progress.until("draining")
    await send_in_pieces(handle, say("bravo", PAUSE_S))
    await listener.until(lambda: len(listener.of(TranscriptFinal)) == 2)
    with_a_stream = unloading.done()

    handle.end()
    unloaded = await unloading

    assert not with_a_stream
    assert (unloaded.num_moved, unloaded.num_failed) == (0, 0)
    assert [final.model for final in listener.of(TranscriptFinal)] == ["second", "second"]


async def test_a_stream_that_stays_too_long_goes_on_with_the_successor_and_is_opened_with_it_elsewhere(
    worker: Worker, open_client: OpenClient
) -> None:
    client = open_client(worker.address)
    await models.load(worker.address, a_load("second"))
    handle, listener = listen(client, model="second")
    await send_in_pieces(handle, say("alpha", PAUSE_S))
    await listener.heard(TranscriptFinal)

    unloaded = await models.unload(worker.address, UnloadModel(model="second", successor="fake"))
    changed = await listener.heard(ModelChanged)
    worker.restart()
    await send_in_pieces(handle, say("bravo"))
    handle.end()
    await listener.over()

    assert unloaded.num_moved == 1
    assert (changed.model, changed.from_segment) == ("fake", 1)
    assert [final.model for final in listener.of(TranscriptFinal)] == ["second", "fake"]
    assert listener.words == ["alpha", "bravo"]


async def test_a_stream_that_stops_in_the_middle_of_a_word_does_not_hold_the_model_for_ever(
    address: str, monkeypatch: pytest.MonkeyPatch, open_client: OpenClient
) -> None:
    monkeypatch.setattr(keeper_module, "BOUNDARY_PATIENCE_S", 0.2)
    async with running_server(address):
        await models.load(address, a_load("second"))
        handle, listener = listen(open_client(address), model="second")
        await send_in_pieces(handle, say("alpha bravo"))
        await listener.until(lambda: len(listener.events) > 2)

        await models.unload(address, UnloadModel(model="second", successor="fake"))
        await send_in_pieces(handle, say("charlie"))
        handle.end()
        await listener.over()

    assert listener.words == ["alpha", "bravo", "charlie"]
    assert_changes_come_at_boundaries(listener.events)


async def test_a_model_that_is_asked_for_again_while_it_goes_stays(worker: Worker, open_client: OpenClient) -> None:
    await models.load(worker.address, a_load("second"))
    handle, listener = listen(open_client(worker.address), model="second")
    await send_in_pieces(handle, say("alpha"))
    await listener.heard_first()
    progress = Progress()
    unloading = asyncio.create_task(models.unload(worker.address, UnloadModel(model="second", drain_s=60), progress))
    await progress.until("draining")

    again = await models.load(worker.address, a_load("second"))

    with pytest.raises(ModelRefusedError, match="asked for again") as refused:
        await unloading
    assert refused.value.code == "model_kept"
    assert (again.load_ms, again.info.is_draining) == (0, False)
    handle.end()
    await listener.over()


async def test_a_wish_to_unload_what_goes_already_waits_for_the_first_one(worker: Worker, open_client: OpenClient) -> None:
    """Whoever asked first may have died meanwhile."""
    await models.load(worker.address, a_load("second"))
    handle, listener = listen(open_client(worker.address), model="second")
    await listener.heard(StreamOpened)
    progress = Progress()
    first = asyncio.create_task(models.unload(worker.address, UnloadModel(model="second", drain_s=60), progress))
    await progress.until("draining")
    first.cancel()
    second = asyncio.create_task(models.unload(worker.address, UnloadModel(model="second", drain_s=60), progress))
    await asyncio.sleep(0)

    handle.end()
    await listener.over()

    assert isinstance(await second, ModelUnloaded)
    assert await names(worker.address) == ["fake"]


async def test_a_process_that_is_still_loading_says_so_to_whoever_does_not_wait(address: str) -> None:
    """`models.load` waits; a link that does not gets an answer all the same."""
    server = InferenceServer(InferenceConfig.from_env({"HARK_INFERENCE_ADDRESS": address}), [FakeEngine()])
    told: list[tuple[int, AnyEvent]] = []
    server._write = lambda link_id, events: told.extend((link_id, event) for event in events)  # type: ignore[method-assign]

    server._take_for_model(7, a_load("second"))

    ((link_id, failed),) = told
    assert link_id == 7
    assert isinstance(failed, ModelFailed)
    assert (failed.model, failed.code) == ("second", "not_ready")


@dataclass
class Speaker:
    """Says sentences to a stream, each when the one before was understood."""

    number: int
    handle: StreamHandle
    listener: Listener
    said: list[str] = field(default_factory=list)

    async def speak(self, is_over: asyncio.Event) -> None:
        words = cycle([*VOCABULARY[self.number :], *VOCABULARY[: self.number]])
        while not is_over.is_set():
            sentence = list(islice(words, 3))
            self.said += sentence
            await send_in_pieces(self.handle, say(" ".join(sentence), PAUSE_S))
            await self.listener.until(lambda: len(self.listener.words) >= len(self.said))
        self.handle.end()
        await self.listener.over()

    def assert_heard(self) -> None:
        """Every word once, in order, whatever recognised it; every sample in the account; changes at boundaries."""
        assert self.listener.words == self.said
        done = self.listener.events[-1]
        assert isinstance(done, StreamDone)
        assert done.checkpoint.settled_samples == self.handle.num_frames
        assert not self.listener.of(StreamFailed)
        assert_changes_come_at_boundaries(self.listener.events)


def say_hello(client: InferenceClient, **options: object) -> list[Speaker]:
    return [Speaker(number, *listen(client, **options)) for number in range(NUM_STREAMS)]


async def swap(address: str, new: ModelSpec, old: str, speakers: list[Speaker], canary: Canary | None = CANARY) -> ModelUnloaded:
    """As the orchestrator does it: load, let every session change, unload."""
    await models.load(address, LoadModel(spec=new, canary=canary))
    for speaker in speakers:
        speaker.handle.configure(ConfigureStream(stream=speaker.handle.number, model=new.name))
    return await models.unload(address, UnloadModel(model=old, drain_s=PATIENCE_S, successor=new.name))


async def swaps_under_speech(
    address: str, speakers: list[Speaker], specs: Iterator[ModelSpec], num_swaps: int, canary: Canary | None = CANARY
) -> list[ModelUnloaded]:
    is_over = asyncio.Event()
    speaking = [asyncio.create_task(speaker.speak(is_over)) for speaker in speakers]
    unloaded, old = [], "fake"
    try:
        for spec in islice(specs, num_swaps):
            unloaded.append(await swap(address, spec, old, speakers, canary))
            old = spec.name
    finally:
        is_over.set()
    await asyncio.gather(*speaking)
    return unloaded


@pytest.mark.timeout(240)
async def test_twenty_swaps_under_eight_speakers_lose_no_word_and_no_memory(worker: Worker, open_client: OpenClient) -> None:
    speakers = say_hello(open_client(worker.address))
    specs = cycle([ModelSpec(name=name, source=f"fake?ballast_bytes={BALLAST_MB * MB}") for name in ("a", "b")])

    unloaded = await swaps_under_speech(worker.address, speakers, specs, NUM_SWAPS)

    for speaker in speakers:
        speaker.assert_heard()
        assert [change.model for change in speaker.listener.of(ModelChanged)] == list(islice(cycle("ab"), NUM_SWAPS))
    assert [each.num_failed for each in unloaded] == [0] * NUM_SWAPS
    assert unloaded[-1].memory_bytes_after - unloaded[0].memory_bytes_after < 100 * MB
    assert await names(worker.address) == ["b"]


async def test_an_engine_that_cannot_be_closed_leaves_nobody_waiting(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_server(address):
        await models.load(address, a_load("second"))
        with monkeypatch.context() as patched:
            patched.setattr(FakeEngine, "close", lambda _engine: 1 // 0)

            with pytest.raises(ModelRefusedError, match="Something broke while second was being changed"):
                await models.unload(address, UnloadModel(model="second"))

        assert await names(address) == ["fake"]


@asynccontextmanager
async def running_server(address: str) -> AsyncIterator[InferenceServer]:
    """In this process, so that faults can be switched on."""
    server = InferenceServer(InferenceConfig.from_env({"HARK_INFERENCE_ADDRESS": address, "HARK_MODELS": "fake"}), [FakeEngine()])
    serving = asyncio.create_task(server.run())
    await names(address)
    try:
        yield server
    finally:
        server._stopping.set()
        await serving


async def test_a_model_that_is_not_closed_would_be_noticed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above about memory fails where engines are kept."""
    kept: list[FakeEngine] = []
    monkeypatch.setattr(FakeEngine, "close", lambda engine: kept.append(engine))
    async with running_server(address):
        for name in ("a", "b"):
            await models.load(address, a_load(name, f"fake?ballast_bytes={BALLAST_MB * MB}"))
        unloaded = [await models.unload(address, UnloadModel(model=name)) for name in ("a", "b")]

    assert all(each.memory_bytes_before - each.memory_bytes_after < BALLAST_MB * MB / 2 for each in unloaded)
    assert len(kept) >= 2


async def test_words_that_were_lost_in_a_swap_would_be_noticed(
    address: str, monkeypatch: pytest.MonkeyPatch, open_client: OpenClient
) -> None:
    """What is above about words fails where the unloading does not wait for the streams."""

    async def wait_for_nobody(keeper: ModelKeeper, _drain: object, request: UnloadModel) -> object:
        def give_up_all() -> object:
            for client in list(keeper._recognition.roster.users_of(request.model)):
                client.stream.buffer.drop_before(client.stream.buffer.end)
                client.stream._segments.closed.clear()
                client.stream._segments.open = None
                client.stream.next_model = client.stream.model = keeper._mover._lineup.heir_of(request.model, ()) or ""
            keeper._recognition.send()
            return Mover(keeper._recognition.roster).move_streams(request.model)

        return await keeper._on_recognition(give_up_all)

    monkeypatch.setattr(ModelKeeper, "_emptied", wait_for_nobody)
    async with running_server(address):
        await models.load(address, a_load("second"))
        speaker = Speaker(0, *listen(open_client(address), model="second"))
        speaker.said = ["alpha", "bravo", "charlie"]
        await send_in_pieces(speaker.handle, say("alpha bravo charlie"))
        await speaker.listener.until(lambda: len(speaker.listener.events) > 2)
        await models.unload(address, UnloadModel(model="second", successor="fake"))
        speaker.handle.end()
        await speaker.listener.over()

    with pytest.raises(AssertionError):
        speaker.assert_heard()


def test_a_model_is_told_once_whatever_each_process_does_with_it() -> None:
    info = ModelInfo(name="a", engine="fake", languages=(), multilingual=True, precision="int8", memory_bytes=5, is_draining=True)
    other = ModelInfo(name="a", engine="fake", languages=(), multilingual=True, precision="fp32", memory_bytes=9)

    assert _merged([info, other, info]) == (other,)
