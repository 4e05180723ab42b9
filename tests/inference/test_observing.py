"""What an inference process tells of itself: of steps that a test makes, over a link, and on its own port."""

import asyncio
import socket
from urllib.request import urlopen

import pytest

from inference.client import measurements
from inference.engines.fake import FakeEngine
from inference.errors import LinkLostError
from inference.messages import MetricsSnapshot, ReadMetrics, TranscriptFinal, WorkerLoad
from inference.observing import Observer
from tests.inference.conftest import OpenClient
from tests.inference.test_loop import Bench
from tests.inference.worker import listen, running_worker, say


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def read_page(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:  # our own
        return str(answer.read().decode())


def test_steps_streams_and_models_are_measured() -> None:
    bench = Bench(FakeEngine())
    observer = Observer(lambda: WorkerLoad(busy=0.25))
    bench.loop.stepper.meters = observer.meters
    observer.watch(bench.loop)
    for stream in range(3):
        bench.open(stream)
        bench.hear(stream, say("alpha bravo", silence_s=1.0))
    bench.run_dry()
    read = observer.meters.registry.get_sample_value
    num_steps = read("hark_step_seconds_count", {"model": "fake"})
    assert num_steps
    assert read("hark_batch_size_count") == num_steps
    assert read("hark_batch_size_sum") == read("hark_queue_age_seconds_count") == 3 * num_steps
    assert read("hark_queue_length") == 0
    assert read("hark_streams_open") == 3
    assert read("hark_busy_ratio") == 0.25
    assert read("hark_model_memory_bytes", {"model": "fake"}) == 0
    factor = read("hark_real_time_factor", {"model": "fake"})
    assert factor is not None
    assert 0 < factor < 1


def test_those_that_do_not_fit_into_a_batch_are_waiting() -> None:
    bench = Bench(FakeEngine(), max_batch=2)
    for stream in range(5):
        bench.open(stream)
        bench.hear(stream, say("alpha bravo", silence_s=1.0))
    bench.loop.take(wait=False)
    bench.loop.judge()
    bench.loop.step()
    assert bench.loop.stepper.meters.num_waiting == 3


def test_a_snapshot_holds_the_intervals_that_are_asked_for() -> None:
    observer = Observer(WorkerLoad)
    observer.meters.stepped("tiny", [0.1], 0.2)
    observer.sampler.look()
    (interval,) = observer.snapshot(ReadMetrics()).intervals
    assert {each.metric: each.total for each in interval.measured}["hark_step_seconds"] == 0.2
    assert observer.snapshot(ReadMetrics(since_s=interval.at_s + 1)).intervals == ()


@pytest.mark.integration
async def test_a_process_answers_over_a_link_and_on_its_port(address: str, open_client: OpenClient) -> None:
    port = free_port()
    with running_worker(address, HARK_METRICS_PORT=str(port)):
        client = open_client(address)
        handle, listener = listen(client)
        handle.send_audio(say("alpha bravo", silence_s=1.0))
        await listener.heard(TranscriptFinal)
        page = await asyncio.to_thread(read_page, port)
        assert "hark_streams_open 1.0" in page
        assert 'hark_step_seconds_count{model="fake"}' in page
        assert isinstance(await measurements.read(address, 0.0), MetricsSnapshot)


async def test_a_process_that_is_not_there_is_said_to_be(address: str) -> None:
    with pytest.raises(LinkLostError, match="No inference process answers"):
        await measurements.read(address, 0.0)
