"""The inference process from outside: readiness, bad links, signals, and starts that cannot work."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec import structs

from inference import loop as loop_module
from inference import server as server_module
from inference.config import InferenceConfig
from inference.engines.fake import FakeEngine
from inference.errors import WeightsError
from inference.link import local
from inference.loop import RecognitionLoop
from inference.messages import (
    AudioChunk,
    EndStream,
    OpenStream,
    StreamDone,
    StreamOptions,
    WorkerLoad,
    WorkerStatus,
    encoder,
    event_decoder,
)
from inference.server import InferenceServer
from inference.tuning import Tuning, this_machine, write
from tests.inference.conftest import OpenClient
from tests.inference.worker import PATIENCE_S, PROJECT_DIR, Worker, listen, running_worker, say, send_in_pieces, wait_until

pytestmark = pytest.mark.integration


def is_listening(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(address.removeprefix("unix:")) == 0


async def ready_link(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare link, after the process has said that it is ready."""
    await asyncio.to_thread(wait_until, lambda: is_listening(address))
    reader, writer = await local.connect(address)
    async with asyncio.timeout(PATIENCE_S):
        while not (await status(reader)).is_ready:
            pass
    return reader, writer


async def status(reader: asyncio.StreamReader) -> WorkerStatus:
    """The next one; reports of the load may come before it."""
    return (await status_and_load(reader))[0]


async def status_and_load(reader: asyncio.StreamReader) -> tuple[WorkerStatus, WorkerLoad]:
    """The next status, and the last report of the load that came before it."""
    load = WorkerLoad()
    while (body := await local.read_frame(reader)) is not None:
        for message in event_decoder.decode(body):
            if isinstance(message, WorkerStatus):
                return message, load
            load = message if isinstance(message, WorkerLoad) else load
    raise AssertionError("the process is gone")


def run(**environment: str) -> "subprocess.CompletedProcess[str]":
    """`python -m inference` that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "inference"],
        cwd=PROJECT_DIR,
        env=os.environ | {"HARK_MODELS": "fake"} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def test_a_link_is_told_the_models_when_they_are_warm(worker: Worker) -> None:
    await close_ready_link(worker.address)

    reader, writer = await local.connect(worker.address)
    told = await status(reader)
    await local.close(writer)

    assert [model.name for model in told.models] == ["fake"]
    assert worker.process is not None
    assert told.node.endswith(f":{worker.process.pid}")


async def test_whoever_learns_the_models_knows_how_many_places_there_are(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'i.sock'}"
    with running_worker(address, HARK_MAX_STREAMS="7"):
        await asyncio.to_thread(wait_until, lambda: is_listening(address))
        reader, writer = await local.connect(address)
        async with asyncio.timeout(PATIENCE_S):
            while not (told := await status_and_load(reader))[0].is_ready:
                pass
        await local.close(writer)

    assert told[1].num_free == 7


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 64, local.pack(b"\xc1"), local.pack(encoder.encode([{"t": "nonsense"}]))],
    ids=["http", "noise", "no MessagePack", "no request"],
)
async def test_a_link_that_brings_garbage_is_closed_and_others_go_on(
    garbage: bytes, worker: Worker, open_client: OpenClient
) -> None:
    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say("alpha bravo"))
    reader, writer = await ready_link(worker.address)

    writer.write(garbage)
    async with asyncio.timeout(PATIENCE_S):
        assert await local.read_frame(reader) is None
    await local.close(writer)
    handle.end()

    await listener.over()
    assert listener.words == ["alpha", "bravo"]


async def test_streams_of_a_link_that_breaks_are_forgotten(worker: Worker, open_client: OpenClient) -> None:
    _reader, writer = await ready_link(worker.address)
    requests = [OpenStream(stream=0, options=StreamOptions()), AudioChunk(stream=0, payload=say("alpha bravo charlie"))]
    writer.write(local.pack(encoder.encode(requests)))
    writer.transport.abort()

    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say("delta echo"))
    handle.end()

    await listener.over()
    assert listener.words == ["delta", "echo"]


async def test_requests_of_one_frame_are_carried_out_in_order(worker: Worker) -> None:
    reader, writer = await ready_link(worker.address)
    requests = [OpenStream(stream=3, options=StreamOptions()), AudioChunk(stream=3, payload=say("alpha")), EndStream(stream=3)]
    writer.write(local.pack(encoder.encode(requests)))

    tags: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while "StreamDone" not in tags:
            body = await local.read_frame(reader)
            assert body is not None
            tags += [type(event).__name__ for event in event_decoder.decode(body) if not isinstance(event, WorkerLoad)]
    await local.close(writer)

    assert tags[0] == "StreamOpened"
    assert tags[-1] == "StreamDone"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order(number: signal.Signals, worker: Worker) -> None:
    asyncio.run(close_ready_link(worker.address))
    assert worker.process is not None

    worker.process.send_signal(number)

    assert worker.process.wait(PATIENCE_S) == 0


async def close_ready_link(address: str) -> None:
    _reader, writer = await ready_link(address)
    await local.close(writer)


def test_a_second_process_at_the_same_address_says_so_and_ends(worker: Worker) -> None:
    wait_until(lambda: is_listening(worker.address))

    second = run(HARK_INFERENCE_ADDRESS=worker.address)

    assert second.returncode == 3
    assert second.stderr.strip() == f"inference: another inference process is already listening on {worker.address[5:]}"


def test_a_socket_file_of_a_killed_process_is_taken_over(address: str) -> None:
    with running_worker(address) as first:
        wait_until(lambda: is_listening(address))
        first.kill()
        assert Path(address.removeprefix("unix:")).exists()
        first.start()

        wait_until(lambda: is_listening(address))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"HARK_MODELS": "whisper-huge"}, "There is no model 'whisper-huge'; known models:"),
        ({"HARK_MAX_STREAMS": "none"}, "HARK_MAX_STREAMS is 'none'; expected a whole number above 0."),
        ({"HARK_INFERENCE_ADDRESS": "unix:/nonexistent/i.sock"}, "No such file or directory"),
        ({"HARK_INFERENCE_ADDRESS": f"unix:/tmp/{'x' * 200}"}, "AF_UNIX path too long"),
    ],
)
def test_a_start_that_cannot_work_says_one_sentence(environment: dict[str, str], sentence: str, address: str) -> None:
    ended = run(**({"HARK_INFERENCE_ADDRESS": address} | environment))

    assert ended.returncode == 3
    assert sentence in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_tuning_file_that_is_broken_ends_the_start_with_one_sentence(address: str, tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    path.write_text("{}")

    ended = run(HARK_INFERENCE_ADDRESS=address, HARK_TUNING_FILE=str(path))

    assert ended.returncode == 3
    assert ended.stderr.startswith(f"inference: HARK_TUNING_FILE is {path}, which is no tuning file: ")


@pytest.mark.parametrize(("torch", "expected"), [("", "precision bf16 (measured on "), ("0.1", "precision auto (")])
def test_what_was_measured_is_taken_or_the_log_says_why_not(torch: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    here = this_machine("cpu")
    machine = structs.replace(here, torch=torch or here.torch)
    write(path, Tuning(machine=machine, measured_on="2026-11-22", picks={"fake": "bf16"}))

    ended = run(HARK_INFERENCE_ADDRESS="unix:/nonexistent/i.sock", HARK_TUNING_FILE=str(path), HARK_DEVICE="cpu")

    assert f"inference fake: {expected}" in ended.stderr


class Broken(FakeEngine):
    """An engine that cannot be loaded."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def load(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [WeightsError("The weights are gone."), RuntimeError("out of memory")])
async def test_a_model_that_cannot_be_loaded_ends_the_server_with_its_error(error: Exception, address: str) -> None:
    server = InferenceServer(InferenceConfig.from_env({"HARK_INFERENCE_ADDRESS": address}), [Broken(error)])

    with pytest.raises(type(error), match=str(error)):
        await asyncio.wait_for(server.run(), PATIENCE_S)


async def test_a_loop_that_breaks_ends_the_server_with_its_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with a clean exit, which nobody would look into."""

    def fail(_loop: RecognitionLoop) -> None:
        raise RuntimeError("a fault was switched on")

    monkeypatch.setattr(RecognitionLoop, "step", fail)
    server = InferenceServer(InferenceConfig.from_env({"HARK_INFERENCE_ADDRESS": address}), [FakeEngine()])

    with pytest.raises(RuntimeError, match="a fault was switched on"):
        await asyncio.wait_for(asyncio.gather(server.run(), ask_for_a_stream(address)), PATIENCE_S)


async def ask_for_a_stream(address: str) -> None:
    """Something for the loop to do."""
    _reader, writer = await ready_link(address)
    writer.write(local.pack(encoder.encode([OpenStream(stream=0, options=StreamOptions())])))
    await local.close(writer)


async def test_a_web_process_that_reads_nothing_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its streams are forgotten: it will send them again, to whom it likes. Others go on."""
    monkeypatch.setattr(server_module, "MAX_UNREAD_BYTES", 100_000)
    server = InferenceServer(InferenceConfig.from_env({"HARK_INFERENCE_ADDRESS": address}), [FakeEngine()])
    serving = asyncio.create_task(server.run())
    _other_reader, other = await ready_link(address)
    its_number = max(server._writers)
    _reader, deaf = await ready_link(address)
    deaf_number = max(server._writers)
    deaf.transport.pause_reading()  # type: ignore[attr-defined]  # of every transport of a socket

    async with asyncio.timeout(PATIENCE_S):
        while deaf_number in server._writers:
            server._write(deaf_number, [WorkerStatus(node="x" * 10_000, is_ready=True)])
            await asyncio.sleep(0)

    assert list(server._writers) == [its_number]
    server._stopping.set()
    await serving
    for writer in (deaf, other):
        writer.transport.abort()


async def test_no_more_is_read_than_recognition_takes(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognition is held up for a while; what was sent meanwhile waits outside, and is all heard afterwards."""
    monkeypatch.setattr(loop_module, "MAX_WAITING_BYTES", 100_000)
    may_step = threading.Event()
    step = RecognitionLoop.step

    def step_when_told(loop: RecognitionLoop) -> None:
        may_step.wait()
        step(loop)

    monkeypatch.setattr(RecognitionLoop, "step", step_when_told)
    server = InferenceServer(InferenceConfig.from_env({"HARK_INFERENCE_ADDRESS": address}), [FakeEngine()])
    serving = asyncio.create_task(server.run())
    reader, writer = await ready_link(address)
    chunk = AudioChunk(stream=0, payload=bytes(32_000))
    for request in [OpenStream(stream=0, options=StreamOptions()), *[chunk] * 100, EndStream(stream=0)]:
        writer.write(local.pack(encoder.encode([request])))
    await asyncio.to_thread(wait_until, lambda: server._recognition is not None and not server._recognition.has_room)
    assert server._recognition is not None
    num_waiting_bytes = server._recognition._num_waiting_bytes

    may_step.set()
    async with asyncio.timeout(PATIENCE_S):
        done = await event_of(reader, StreamDone)

    assert num_waiting_bytes < 200_000
    assert done.checkpoint.settled_samples == 100 * 16_000
    server._stopping.set()
    await serving
    writer.transport.abort()


async def event_of(reader: asyncio.StreamReader, kind: type[StreamDone]) -> StreamDone:
    while (body := await local.read_frame(reader)) is not None:
        for event in event_decoder.decode(body):
            if isinstance(event, kind):
                return event
    pytest.fail("the link was closed")
