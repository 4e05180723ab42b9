"""A web process that is told to stop: nobody new, `going_away` to all, every word stored, and an end by itself."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from benchmarks.network.campaign import Climate, plans
from benchmarks.network.restarts import play_restart
from benchmarks.network.site import TwoWebs
from benchmarks.network.verdict import Outcome
from tests.acceptance.sessions import status_of, stored_texts
from tests.acceptance.speakers import UNFINISHED, WHOLE, begin
from tests.acceptance.web_processes import WebProcess, another_web
from tests.stack import Stack
from tests.stream_client import StreamClient, assert_accounted, open_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

NUM_PLAIN = 10
NUM_RELIABLE = 10
ENDS_WITHIN_S = 30.0
MUST_GO_ON = 19


@dataclass
class Farewell:
    """What became of everybody. `refusal`: HTTP status of somebody who came after the signal; None: not refused in order."""

    plain: list[StreamClient]
    reliable: list[StreamClient]
    refusal: int | None
    exit_status: int


@contextmanager
def recognition_held(stack: Stack) -> Iterator[None]:
    """Nothing is recognised meanwhile, so that a web process that stops has to wait for last words."""
    process = stack.processes["inference-0"]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def stop(stack: Stack, web: WebProcess, number: signal.Signals) -> Farewell:
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(web.ws_url)) for _ in range(NUM_PLAIN + NUM_RELIABLE)]
        plain, reliable = clients[:NUM_PLAIN], clients[NUM_PLAIN:]
        await asyncio.gather(*(begin(client, reliable=client in reliable) for client in clients))
        process = stack.processes[web.name]
        with recognition_held(stack):
            process.send_signal(number)
            await asyncio.gather(*(farewell(client) for client in clients))
            refusal = await knock(web.ws_url)
        await asyncio.gather(*(client.read_all() for client in clients))
        status = await asyncio.to_thread(process.wait, ENDS_WITHIN_S)
    return Farewell(plain, reliable, refusal, status)


async def farewell(client: StreamClient) -> None:
    with suppress(ConnectionClosed):  # what is missing then is judged later
        await client.expect("going_away")


async def knock(url: str) -> int | None:
    """How a new socket is refused."""
    try:
        async with connect(url):
            return None
    except InvalidStatus as refused:
        return refused.response.status_code
    except (OSError, InvalidHandshake):
        return None


def assert_graceful(ended: Farewell) -> None:
    assert ended.refusal == 503
    assert ended.exit_status in {0, -signal.SIGTERM}  # uvicorn ends by the signal that it was asked with
    for client in ended.plain + ended.reliable:
        assert len(client.of("going_away")) == 1
        assert client.code == 1001
    for client in ended.plain:
        assert client.messages[-1]["type"] == "done"
        assert client.messages[-1]["complete"]
        assert_accounted(client.messages[-1])
        assert client.words == f"{WHOLE} {UNFINISHED}".split()
    for client in ended.reliable:
        assert client.of("ready")[0]["resume_token"]
        assert client.of("going_away")[0]["resume_within_s"] > 0


async def test_20_sessions_are_told_and_stored_and_nobody_new_is_let_in(scripted_stack: Stack) -> None:
    with another_web(scripted_stack, "stopping") as web:
        ended = await stop(scripted_stack, web, signal.SIGTERM)

    assert_graceful(ended)
    for client in ended.plain:
        assert stored_texts(scripted_stack, client.session) == [WHOLE, UNFINISHED]
        assert status_of(scripted_stack, client.session) == "complete"
    for client in ended.reliable:  # put down in mid-sentence: whoever comes back within two minutes goes on there
        assert stored_texts(scripted_stack, client.session) == [WHOLE]


async def test_a_process_that_is_killed_would_be_noticed(scripted_stack: Stack) -> None:
    with another_web(scripted_stack, "killed") as web:
        ended = await stop(scripted_stack, web, signal.SIGKILL)

    with pytest.raises(AssertionError):
        assert_graceful(ended)


@pytest.fixture(scope="module")
def two_webs(scripted_stack: Stack) -> Iterator[TwoWebs]:
    site = TwoWebs(scripted_stack)
    site.start(1)
    yield site
    site.kill(1)


def num_unharmed(outcomes: list[Outcome]) -> int:
    return sum(not outcome.broken for outcome in outcomes)


async def test_reliable_clients_of_a_stopped_process_go_on_at_another_with_every_word(two_webs: TwoWebs) -> None:
    climate = Climate(seconds=8.0, cuts_s=(), pace=2.0, lossy_every=0, hops_every=0)

    outcomes = await play_restart(two_webs, [replace(plan, is_moved=True) for plan in plans(climate, 20)], "stop")

    assert num_unharmed(outcomes) >= MUST_GO_ON, [outcome.broken for outcome in outcomes if outcome.broken]
