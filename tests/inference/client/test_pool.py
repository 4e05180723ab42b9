"""One client and two real inference processes: balance, refusals, deaths and hangs, and no word lost or doubled."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec import structs

from inference.client import InferenceClient, StreamHandle, WorkerLink, worker_link
from inference.messages import StreamDone, StreamFailed, StreamOpened, TranscriptUpdated
from tests.inference.conftest import OpenClient
from tests.inference.worker import PATIENCE_S, Listener, Worker, listen, running_worker, say, send_in_pieces

pytestmark = pytest.mark.integration

FIRST = "alpha bravo charlie delta echo foxtrot"
SECOND = "golf hotel india juliett kilo lima"


@pytest.fixture
def addresses(tmp_path: Path) -> list[str]:
    return [f"unix:{tmp_path / name}.sock" for name in ("a", "b")]


@pytest.fixture
def workers(addresses: list[str]) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_worker(address)) for address in addresses]


async def until_ready(*links: WorkerLink) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all(link.can_take for link in links):  # noqa: ASYNC110  # links set no event for tests
            await asyncio.sleep(0.01)


async def ready_client(open_client: OpenClient, addresses: list[str]) -> InferenceClient:
    client = open_client(*addresses)
    await until_ready(*client.workers)
    return client


def num_streams(client: InferenceClient) -> list[int]:
    return [link.candidate.num_streams for link in client.workers]


def place_of(client: InferenceClient, handle: StreamHandle) -> int:
    """Position of the process that has the stream."""
    return client.workers.index(client._places[handle.number])


async def has_partial_of(listener: Listener, segment: int) -> None:
    await listener.until(lambda: any(event.segment == segment for event in listener.of(TranscriptUpdated)))


async def speak_halfway(streams: list[tuple[StreamHandle, Listener]]) -> None:
    for handle, _listener in streams:
        await send_in_pieces(handle, say(FIRST, 1.0) + say("golf hotel"))
    for _handle, listener in streams:
        await has_partial_of(listener, 1)


async def finish(streams: list[tuple[StreamHandle, Listener]]) -> None:
    for handle, _listener in streams:
        await send_in_pieces(handle, say("india juliett kilo lima"))
        handle.end()
    for _handle, listener in streams:
        assert isinstance(await listener.over(), StreamDone)


def assert_every_word_once(streams: list[tuple[StreamHandle, Listener]]) -> None:
    assert [" ".join(listener.words) for _handle, listener in streams] == [f"{FIRST} {SECOND}"] * len(streams)


@pytest.mark.usefixtures("workers")
async def test_streams_are_shared_out_evenly(open_client: OpenClient, addresses: list[str]) -> None:
    client = await ready_client(open_client, addresses)

    streams = [listen(client) for _ in range(6)]
    await asyncio.gather(*(listener.heard(StreamOpened) for _handle, listener in streams))

    assert sorted(place_of(client, handle) for handle, _listener in streams) == [0, 0, 0, 1, 1, 1]


async def test_a_model_that_two_processes_run_in_different_precisions_is_one_model(
    open_client: OpenClient, addresses: list[str], workers: list[Worker]
) -> None:
    client = await ready_client(open_client, addresses)
    (model,) = client.status.models
    for link, precision in zip(client.workers, ("bf16", "int8"), strict=True):
        link.status = structs.replace(link.status, models=(structs.replace(model, precision=precision),))

    assert [each.name for each in client.status.models] == ["fake"]


@pytest.mark.usefixtures("workers")
async def test_what_another_web_process_has_opened_counts_too(open_client: OpenClient, addresses: list[str]) -> None:
    theirs = open_client(addresses[0])
    await until_ready(*theirs.workers)
    opened = [listen(theirs)[1] for _ in range(3)]
    await asyncio.gather(*(listener.heard(StreamOpened) for listener in opened))
    ours = await ready_client(open_client, addresses)
    async with asyncio.timeout(PATIENCE_S):
        while num_streams(ours) != [3, 0]:  # noqa: ASYNC110  # the report comes within a second
            await asyncio.sleep(0.01)

    placed = [place_of(ours, listen(ours)[0]) for _ in range(3)]

    assert placed == [1, 1, 1]


async def test_a_full_process_is_passed_over_and_only_the_last_refusal_is_told(
    open_client: OpenClient, addresses: list[str]
) -> None:
    with (
        running_worker(addresses[0], HARK_MAX_STREAMS="1"),
        running_worker(addresses[1], HARK_MAX_STREAMS="2"),
    ):
        client = await ready_client(open_client, addresses)

        streams = [listen(client) for _ in range(4)]
        outcomes = [await listener.heard_first() for _handle, listener in streams]

        refused = [outcome for outcome in outcomes if isinstance(outcome, StreamFailed)]
        assert sum(isinstance(outcome, StreamOpened) for outcome in outcomes) == 3
        assert [(outcome.code, outcome.retryable) for outcome in refused] == [("server_full", True)]


async def test_streams_of_a_killed_process_go_on_at_another_at_once(
    open_client: OpenClient, addresses: list[str], workers: list[Worker]
) -> None:
    client = await ready_client(open_client, addresses)
    streams = [listen(client) for _ in range(4)]
    await speak_halfway(streams)

    workers[0].kill()
    await finish(streams)

    assert_every_word_once(streams)


async def test_streams_survive_that_each_process_is_killed_in_turn(
    open_client: OpenClient, addresses: list[str], workers: list[Worker]
) -> None:
    client = await ready_client(open_client, addresses)
    streams = [listen(client) for _ in range(4)]
    await speak_halfway(streams)

    workers[0].restart()
    async with asyncio.timeout(PATIENCE_S):
        while client.workers[0].can_take:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await until_ready(client.workers[0])
    workers[1].kill()
    await finish(streams)

    assert_every_word_once(streams)


async def test_moved_streams_wait_when_the_others_have_no_room(open_client: OpenClient, addresses: list[str]) -> None:
    with running_worker(addresses[0], HARK_MAX_STREAMS="2") as first, running_worker(addresses[1], HARK_MAX_STREAMS="2"):
        client = await ready_client(open_client, addresses)
        streams = [listen(client) for _ in range(4)]
        await speak_halfway(streams)

        first.restart()
        await finish(streams)

    assert_every_word_once(streams)


async def test_streams_of_a_stopped_process_go_on_at_another_and_its_late_answers_are_not_heard(
    open_client: OpenClient, addresses: list[str], workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped as by SIGSTOP, a debugger or a swapping machine: the socket stays open and nothing comes."""
    monkeypatch.setattr(worker_link, "WATCH_EVERY_S", 0.4)  # the process reports once a second; five looks make two
    client = await ready_client(open_client, addresses)
    streams = [listen(client) for _ in range(4)]
    await speak_halfway(streams)
    stopped = workers[0].process
    assert stopped is not None

    stopped.send_signal(signal.SIGSTOP)
    await finish(streams)
    stopped.send_signal(signal.SIGCONT)
    await until_ready(client.workers[0])

    assert_every_word_once(streams)


async def test_a_client_without_a_process_that_answers_is_not_ready(
    open_client: OpenClient, addresses: list[str], workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_link, "WATCH_EVERY_S", 0.4)
    client = await ready_client(open_client, addresses)
    for worker in workers:
        assert worker.process is not None
        worker.process.send_signal(signal.SIGSTOP)

    async with asyncio.timeout(PATIENCE_S):
        while client.status.is_ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert client.status.models == ()


async def test_streams_of_a_process_whose_recognition_hangs_go_on_at_another(
    open_client: OpenClient, addresses: list[str]
) -> None:
    """Its event loop lives and would answer for ever; it notices that its recognition thread does not, and ends."""
    with (
        running_worker(addresses[0], module="tests.inference.hanging_worker") as hanging,
        running_worker(addresses[1]),
    ):
        client = await ready_client(open_client, addresses)
        streams = [listen(client) for _ in range(2)]
        assert [place_of(client, handle) for handle, _listener in streams] == [0, 1]
        await speak_halfway(streams)

        for handle, _listener in streams:
            await send_in_pieces(handle, say("zulu"))
        for handle, listener in streams:
            handle.end()
            assert isinstance(await listener.over(), StreamDone)

        assert hanging.process is not None
        assert hanging.process.wait(PATIENCE_S) == 4
    assert [" ".join(listener.words) for _handle, listener in streams] == [f"{FIRST} golf hotel zulu"] * 2


async def test_a_stream_waits_for_the_only_process(open_client: OpenClient, addresses: list[str], workers: list[Worker]) -> None:
    client = open_client(addresses[0])
    await until_ready(*client.workers)
    streams = [listen(client)]
    await speak_halfway(streams)

    workers[0].restart()
    await finish(streams)

    assert_every_word_once(streams)
