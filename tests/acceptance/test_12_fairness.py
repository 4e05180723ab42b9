"""Sockets do not wait for pages, and nobody waits for a greedy or a sleeping client. In counts and orders, not in seconds."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.web_processes import ADMIN_PASSWORD, SITE_WITH_SLEEP, Visitor, WebProcess, another_web
from tests.inference.worker import say
from tests.stack import Stack, running_stack
from tests.stream_client import StreamClient, assert_well_formed, open_stream

HTTP_THREADS = 4
PAGE_MS = 3_000
FEWEST_PONGS = 30
FEWEST_SESSIONS = 2
GPU_LIBRARIES = ("/torch/", "libtorch", "libcuda", "libcudart", "libcublas", "/ctranslate2", "/onnxruntime", "/openvino")
FRAME_MS = 100
FRAME_BYTES = 32 * FRAME_MS
TALK = "alpha bravo charlie delta echo foxtrot golf hotel"
LEAST_SHARE = 0.9
"""Of the updates that speakers get when they are alone."""


@dataclass(frozen=True)
class Site:
    stack: Stack
    web: WebProcess
    visitor: Visitor


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"HARK_ADMIN_PASSWORD": ADMIN_PASSWORD, "HARK_HTTP_THREADS": str(HTTP_THREADS)}
    with (
        running_stack(tmp_path_factory.mktemp("fairness"), 1, HARK_MODELS="fake", **settings) as stack,
        another_web(stack, "sleepy", application=SITE_WITH_SLEEP) as web,
    ):
        yield Site(stack, web, Visitor(web.http_url, ADMIN_PASSWORD))


@dataclass
class Served:
    """What sockets were given before the first of the pages came."""

    num_pongs: int = 0
    num_sessions: int = 0


async def served_during(site: Site, page: str) -> Served:
    """Twice as many pages as there are threads are asked for; meanwhile one client pings and signed-in users come and go."""
    pages = [asyncio.create_task(asyncio.to_thread(site.visitor.get, page)) for _ in range(2 * HTTP_THREADS)]
    served = Served()
    tasks = [asyncio.create_task(ping_on(site, served)), asyncio.create_task(come_and_go(site, served))]
    await asyncio.wait(pages, return_when=asyncio.FIRST_COMPLETED)
    found = Served(served.num_pongs, served.num_sessions)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.gather(*pages)
    return found


async def ping_on(site: Site, served: Served) -> None:
    async with open_stream(site.web.ws_url) as client:
        while True:
            await client.tell("ping")
            await client.expect("pong")
            served.num_pongs += 1


async def come_and_go(site: Site, served: Served) -> None:
    while True:
        async with connect(site.web.ws_url, max_size=None, additional_headers={"Cookie": site.visitor.cookie}) as socket:
            client = StreamClient(socket)
            await client.send(say("alpha"))
            await client.finish()
        assert client.words == ["alpha"]
        served.num_sessions += 1


def assert_undisturbed(served: Served) -> None:
    assert served.num_pongs >= FEWEST_PONGS
    assert served.num_sessions >= FEWEST_SESSIONS


async def test_sockets_open_speak_and_close_while_every_http_thread_sleeps_in_the_database(site: Site) -> None:
    assert_undisturbed(await served_during(site, f"/sleep/{PAGE_MS}/"))


async def test_a_page_that_holds_up_the_event_loop_would_be_noticed(site: Site) -> None:
    served = await served_during(site, "/block/1000/")

    with pytest.raises(AssertionError):
        assert_undisturbed(served)


async def speak_paced(client: StreamClient, pcm: bytes) -> None:
    """At the pace of speech; who was late catches up."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for number, start in enumerate(range(0, len(pcm), FRAME_BYTES)):
        await asyncio.sleep(max(0.0, started_s + number * FRAME_MS / 1000 - loop.time()))
        await client.socket.send(pcm[start : start + FRAME_BYTES])


async def updates_of_speakers(url: str) -> int:
    """How many partials four speakers of one sentence get, in all."""
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(url)) for _ in range(4)]
        await asyncio.gather(*(speak_paced(client, say(TALK, 0.5)) for client in clients))
        await asyncio.gather(*(client.finish() for client in clients))
    for client in clients:
        assert_well_formed(client.messages)
        assert client.words == TALK.split()
    return sum(len(client.of("partial")) for client in clients)


async def be_greedy(url: str) -> None:
    """Fifty times as fast as speech, for as long as one is let."""
    async with open_stream(url) as client:
        reading = asyncio.create_task(client.read_all())
        try:
            while True:
                await client.socket.send(say(TALK, 0.5)[: 2 * FRAME_BYTES])
                await asyncio.sleep(2 * FRAME_MS / 1000 / 50)
        finally:
            reading.cancel()


async def never_read(url: str) -> None:
    async with connect(url, max_size=None, max_queue=1, close_timeout=0.2) as socket:
        with suppress(ConnectionClosed):
            while True:
                await socket.send(say(TALK, 0.5))
                await asyncio.sleep(0.1)


async def updates_beside(url: str, *others: Callable[[str], Awaitable[None]]) -> int:
    tasks = [asyncio.ensure_future(other(url)) for other in others]
    try:
        return await updates_of_speakers(url)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def assert_fair(alone: list[int], beside: list[int]) -> None:
    assert sum(beside) >= LEAST_SHARE * sum(alone), (alone, beside)


async def test_speakers_beside_a_greedy_and_a_sleeping_client_get_their_updates(site: Site) -> None:
    alone, beside = [], []
    for _ in range(2):  # by turns, so that a busy machine is as busy for both
        alone.append(await updates_beside(site.web.ws_url))
        beside.append(await updates_beside(site.web.ws_url, be_greedy, never_read))

    assert_fair(alone, beside)


async def test_a_client_that_takes_recognition_for_itself_would_be_noticed(site: Site) -> None:
    """Stands for such a client: the inference process is held up for half of the time."""
    inference = site.stack.processes["inference-0"]

    async def take_half(_url: str) -> None:
        try:
            while True:
                inference.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.6)
                inference.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.6)
        finally:
            inference.send_signal(signal.SIGCONT)

    alone = [await updates_beside(site.web.ws_url)]
    beside = [await updates_beside(site.web.ws_url, take_half)]

    with pytest.raises(AssertionError):
        assert_fair(alone, beside)


def assert_no_gpu_library(pid: int) -> None:
    """The system's own list of what the process has loaded: no switch of ours is needed for it."""
    mapped: list[Any] = psutil.Process(pid).memory_maps()
    paths = {region.path for region in mapped}
    assert paths
    assert {path for path in paths if any(part in path for part in GPU_LIBRARIES)} == set()


async def test_the_web_process_has_loaded_no_gpu_library(site: Site) -> None:
    async with open_stream(site.web.ws_url) as client:
        await client.send(say("alpha"))
        await client.finish()
    await asyncio.to_thread(site.visitor.get, "/admin/")

    assert_no_gpu_library(site.web.pid)
    assert_no_gpu_library(site.stack.processes["web"].pid)


def test_a_process_that_has_loaded_torch_would_be_noticed() -> None:
    script = "import torch, sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

        with pytest.raises(AssertionError):
            assert_no_gpu_library(process.pid)
