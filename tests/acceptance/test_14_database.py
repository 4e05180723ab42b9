"""The database: no query for audio, a bounded number of connections, and nothing lost while it is away."""

import asyncio
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from asr_project.serve.postgres import Postgres
from tests.acceptance.services import Service, own_postgres
from tests.acceptance.sessions import stored_texts, wait_until_over
from tests.acceptance.web_processes import ADMIN_PASSWORD, FORGETFUL_SITE, SITE_WITH_SLEEP, Visitor, WebProcess, another_web
from tests.inference.worker import say, wait_until
from tests.stack import Stack, running_stack
from tests.stream_client import StreamClient, assert_well_formed, open_stream

HTTP_THREADS = 4
MOST_CONNECTIONS = HTTP_THREADS + 4
"""What docs/deployment.md promises of one web process: its HTTP threads, the recorder, its metrics, the door, and a probe."""
QUIET_FRAME = bytes(6_400)
SENTENCES = ("alpha bravo charlie", "delta echo foxtrot", "golf hotel india", "juliett kilo lima", "mike november oscar")


Outage = Callable[[Service], AbstractContextManager[None]]


@dataclass(frozen=True)
class Site:
    """A stack whose PostgreSQL is its own and writes down every statement."""

    stack: Stack
    web: WebProcess
    service: Service
    postgres: Postgres

    def statements(self) -> list[str]:
        """Everything that was asked of PostgreSQL so far."""
        return re.findall(r"LOG:  (?:statement|execute [^:]+): (.+)", self.postgres.log.read_text())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("database")
    with own_postgres(log_statement="all") as (service, postgres):
        settings = {"DATABASE_URL": service.url, "HARK_ADMIN_PASSWORD": ADMIN_PASSWORD, "HARK_HTTP_THREADS": str(HTTP_THREADS)}
        with running_stack(folder, 1, HARK_MODELS="fake", **settings) as stack:
            stack.signal("web", signal.SIGTERM)  # the one of this test takes its place: then every connection is its own
            with another_web(stack, "sleepy", application=SITE_WITH_SLEEP) as web:
                yield Site(stack, web, service, postgres)


@dataclass
class Census:
    """Counts the connections of others until it is told to end, on a connection and a thread of its own."""

    url: str
    counts: list[int] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        question = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self.is_over.wait(0.01):
                row = connection.execute(question).fetchone()
                assert row is not None
                self.counts.append(row[0])


@contextmanager
def census(url: str) -> Iterator[Census]:
    counting = Census(url)
    thread = threading.Thread(target=counting.run)
    thread.start()
    try:
        yield counting
    finally:
        counting.is_over.set()
        thread.join()


def assert_bounded(counting: Census) -> None:
    assert counting.counts
    assert max(counting.counts) <= MOST_CONNECTIONS


async def come_and_go(web: WebProcess, cookie: str) -> None:
    """One cycle: connect as a signed-in user, speak, leave."""
    async with connect(web.ws_url, max_size=None, additional_headers={"Cookie": cookie}) as socket:
        client = StreamClient(socket)
        await client.send(say("alpha"))
        await client.finish()
    assert client.words == ["alpha"]


async def busy_hour(web: WebProcess, visitor: Visitor) -> None:
    """Sessions come and go beside live ones, while more pages are asked for than there are threads."""
    paths = ["/sleep/200/", "/api/v1/sessions/", "/admin/transcription/session/", "/readyz"]
    async with AsyncExitStack() as opened:
        live = [await opened.enter_async_context(open_stream(web.ws_url)) for _ in range(6)]
        for client in live:
            await client.send(say("bravo", 1.0))
        pages = [asyncio.to_thread(visitor.get, paths[number % len(paths)]) for number in range(40)]
        cycles = [come_and_go(web, visitor.cookie) for _ in range(40)]
        await asyncio.gather(*pages, *cycles)
        for client in live:
            await client.finish()
            assert client.words == ["bravo"]


async def test_connections_stay_bounded_while_80_sessions_come_and_go_beside_slow_pages(site: Site) -> None:
    visitor = Visitor(site.web.http_url, ADMIN_PASSWORD)
    with census(site.service.url) as first:
        await busy_hour(site.web, visitor)
    with census(site.service.url) as second:
        await busy_hour(site.web, visitor)

    assert_bounded(first)
    assert_bounded(second)
    assert max(first.counts) > HTTP_THREADS, "the pages were to use every thread"


def test_one_connection_too_many_would_be_noticed(site: Site) -> None:
    with census(site.service.url) as counting:
        connections = [psycopg.connect(site.service.url) for _ in range(MOST_CONNECTIONS + 1)]
        wait_until(lambda: counting.counts and counting.counts[-1] > MOST_CONNECTIONS)
        for connection in connections:
            connection.close()

    with pytest.raises(AssertionError):
        assert_bounded(counting)


NOTES_LIFE = re.compile(r'UPDATE "transcription_session" SET "last_seen_at"')
ABOUT_ROUTES = re.compile(r'SELECT .* FROM "transcription_(modelroute|routeoverride|asrmodel)"', re.DOTALL)


def assert_no_query_for_audio(statements: list[str]) -> None:
    """Once a second the web process looks at the routes, and once a minute it notes that its sessions live: not for audio."""
    queries = [statement for statement in statements if statement not in {"BEGIN", "COMMIT", "SELECT 1"}]
    assert [query for query in queries if not NOTES_LIFE.match(query) and not ABOUT_ROUTES.match(query)] == []


async def test_500_frames_of_audio_cost_no_query(site: Site) -> None:
    async with open_stream(site.web.ws_url) as client:
        await client.send(say("alpha", 1.0))
        await client.expect("final")
        await asyncio.to_thread(wait_until, lambda: stored_texts(site.stack, client.session) == ["alpha"])
        before = len(site.statements())
        for _ in range(500):
            await client.socket.send(QUIET_FRAME)
        await client.tell("ping")
        await client.expect("pong")
        during = site.statements()[before:]
        messages = await client.finish()

    assert messages[-1]["silence_ms"] > 99_000
    assert_no_query_for_audio(during)


async def test_a_query_beside_audio_would_be_noticed(site: Site) -> None:
    before = len(site.statements())
    await asyncio.to_thread(Visitor(site.web.http_url).get, "/api/v1/sessions/")
    await asyncio.to_thread(wait_until, lambda: any("transcription_session" in each for each in site.statements()[before:]))

    with pytest.raises(AssertionError):
        assert_no_query_for_audio(site.statements()[before:])


@contextmanager
def frozen(service: Service) -> Iterator[None]:
    service.freeze()
    try:
        yield
    finally:
        service.thaw()


@contextmanager
def stopped(service: Service) -> Iterator[None]:
    service.stop()
    try:
        yield
    finally:
        service.start()


async def say_all(client: StreamClient, sentences: Sequence[str]) -> None:
    """Each of them once the one before has been read."""
    for sentence in sentences:
        await client.send(say(sentence, 1.0))
        await client.expect("final")


async def spoken_through(url: str, service: Service, away: Outage) -> list[StreamClient]:
    """Three speakers who go on while PostgreSQL is away, and a fourth who comes meanwhile. All have read every final then."""
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(url)) for _ in range(3)]
        for client in clients:
            await client.send(say(SENTENCES[0], 1.0))
            await client.expect("final")
        with away(service):
            clients.append(await opened.enter_async_context(open_stream(url)))
            await asyncio.gather(*(say_all(client, SENTENCES[1:4]) for client in clients))
        for client in clients:
            await client.send(say(SENTENCES[4]))
            assert_well_formed(await client.finish())
    return clients


async def let_it_store(stack: Stack, url: str) -> None:
    """What a web process stores, it stores in order: once a later session is there, nothing more will come."""
    async with open_stream(url) as afterthought:
        await afterthought.finish()
    await asyncio.to_thread(wait_until_over, stack, afterthought.session, 30.0)


def assert_stored_as_announced(stack: Stack, clients: list[StreamClient]) -> None:
    for client in clients:
        assert stored_texts(stack, client.session) == [final["text"] for final in client.of("final")]


@pytest.mark.parametrize("away", [frozen, stopped])
async def test_speakers_go_on_while_postgresql_is_away_and_every_final_is_stored_once(site: Site, away: Outage) -> None:
    clients = await spoken_through(site.web.ws_url, site.service, away)

    for client in clients:
        assert client.messages[-1]["complete"]
        assert len(client.of("final")) >= 4
    await let_it_store(site.stack, site.web.ws_url)
    assert_stored_as_announced(site.stack, clients)


async def test_a_final_that_is_forgotten_while_postgresql_is_away_would_be_noticed(site: Site) -> None:
    with another_web(site.stack, "forgetful", application=FORGETFUL_SITE) as web:
        clients = await spoken_through(web.ws_url, site.service, stopped)
        await let_it_store(site.stack, web.ws_url)

        with pytest.raises(AssertionError):
            assert_stored_as_announced(site.stack, clients)


async def test_when_no_more_can_be_kept_newcomers_are_refused_and_speakers_told_and_every_announced_final_is_stored(
    site: Site,
) -> None:
    with another_web(site.stack, "small", HARK_MAX_UNSTORED="12") as web:
        async with AsyncExitStack() as opened:
            client = await opened.enter_async_context(open_stream(web.ws_url))
            await say_all(client, SENTENCES[:1])
            with stopped(site.service):
                for _ in range(6):
                    await say_all(client, SENTENCES[1:2])
                late = await opened.enter_async_context(open_stream(web.ws_url))
                await late.tell("start")
                await late.read_all()
                await speak_until_refused(client)
            await asyncio.to_thread(wait_until_over, site.stack, client.session, 30.0)

    assert [(error["code"], error["retryable"]) for error in late.of("error")] == [("storage_unavailable", True)]
    assert [(error["code"], error["retryable"]) for error in client.of("error")] == [("storage_unavailable", True)]
    assert late.code == client.code == 1013
    assert_stored_as_announced(site.stack, [client])


async def speak_until_refused(client: StreamClient) -> None:
    """Sentence by sentence; whoever speaks too long for what can be kept is told so."""
    for _ in range(20):
        with suppress(ConnectionClosed):
            await client.send(say(SENTENCES[2], 1.0))
        message = await client.until(lambda message: message["type"] in {"final", "error"})
        if message["type"] == "error":
            await client.read_all()
            return
