"""Acceptance check 24: nobody is let in who should not be, and nobody stays who may not."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.acceptance.people import Person, make_people, request
from tests.acceptance.sessions import stored_texts, wait_until_over
from tests.acceptance.web_processes import WebProcess, another_web
from tests.inference.worker import say
from tests.stack import Stack, running_stack
from tests.stream_client import StreamClient

pytestmark = pytest.mark.integration
ATTEMPTS = 200
AT_ONCE = 10
SENTENCE = "alpha bravo charlie delta echo"
FRAME_LIMIT_BYTES = 1024 * 1024
MAX_SESSION_S = 3


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server that trusts nobody unasked."""
    with running_stack(tmp_path_factory.mktemp("strict"), HARK_MODELS="fake", HARK_ANONYMOUS="off") as stack:
        yield stack


@pytest.fixture(scope="module")
def second_web(strict: Stack) -> Iterator[WebProcess]:
    """Another web process, which allows sessions of a few seconds only."""
    with another_web(strict, "second", HARK_MAX_SESSION_S=str(MAX_SESSION_S)) as web:
        yield web


@pytest.fixture(scope="module")
def people(strict: Stack) -> dict[str, Person]:
    """Alice, Bob, Carol and Dora, and one for each way to lose access."""
    names = ["alice", "bob", "carol", "dora", *(f"leaver-{number}" for number in range(len(LOSSES)))]
    return dict(zip(names, make_people(strict, *names), strict=True))


@pytest.fixture(scope="module")
def alice(people: dict[str, Person]) -> Person:
    return people["alice"]


@pytest.fixture(scope="module")
def bob(people: dict[str, Person]) -> Person:
    return people["bob"]


@pytest.fixture(scope="module")
def dora(people: dict[str, Person]) -> Person:
    return people["dora"]


@dataclass(frozen=True)
class Knock:
    """One attempt to open a socket."""

    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    subprotocols: tuple[str, ...] = ()
    expected: int = 401

    def connect(self, url: str) -> connect:
        offered = [Subprotocol(name) for name in self.subprotocols] or None
        return connect(f"{url}{self.query}", additional_headers=self.headers, subprotocols=offered, max_size=None)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def bad_knocks(alice: Person, carol: Person) -> dict[str, Knock]:
    """One of each kind. `carol` is a user who was disabled."""
    spent, expired = carol.ticket(), alice.ticket()
    alice.expire_tickets()
    carol.disable()
    wrong_secret = f"{alice.key.rsplit('_', 1)[0]}_{'a' * 32}"
    return {
        "nothing": Knock(),
        "no key": Knock(bearer("let me in")),
        "an unknown key": Knock(bearer("hark_AAAAAAAA_" + "a" * 32)),
        "a known prefix": Knock(bearer(wrong_secret)),
        "half a key": Knock(bearer(alice.key[:-1])),
        "an expired key": Knock(bearer(alice.expired_key)),
        "a revoked key": Knock(bearer(alice.revoked_key)),
        "a key of a disabled user": Knock(bearer(carol.key)),
        "a bad key as subprotocol": Knock(subprotocols=("token", wrong_secret)),
        "a subprotocol without a key": Knock(subprotocols=("token",)),
        "a revoked key as subprotocol": Knock(subprotocols=("token", alice.revoked_key)),
        "an unknown ticket": Knock(query="?ticket=unknown"),
        "an empty ticket": Knock(query="?ticket="),
        "an expired ticket": Knock(query=f"?ticket={expired}"),
        "a ticket of a disabled user": Knock(query=f"?ticket={spent}"),
        "an unknown session": Knock({"Cookie": "sessionid=abcdefghijklmnopqrstuvwxyz012345"}),
        "a session of a disabled user": Knock(carol.cookie),
        "a key in the address": Knock(query=f"?key={alice.key}&token={alice.key}"),
        "a key that may only read": Knock(bearer(alice.reading_key), expected=403),
        "a foreign page with a good key": Knock(alice.bearer | {"Origin": "https://evil.example"}, expected=403),
        "a foreign page with a good session": Knock(alice.cookie | {"Origin": "https://evil.example"}, expected=403),
    }


async def answer_to(knock: Knock, url: str) -> tuple[int, str]:
    """Status and error code; 101 for a socket that was accepted."""
    try:
        async with knock.connect(url):
            return 101, ""
    except InvalidStatus as refused:
        return refused.response.status_code, str(json.loads(refused.response.body or b"{}")["error"]["code"])


async def assert_refused(knocks: list[Knock], url: str) -> None:
    """Each with its status, and with a reason."""
    for start in range(0, len(knocks), AT_ONCE):
        some = knocks[start : start + AT_ONCE]
        answers = await asyncio.gather(*(answer_to(knock, url) for knock in some))
        assert [status for status, _code in answers] == [knock.expected for knock in some], answers
        assert all(code for _status, code in answers)


async def test_200_handshakes_without_a_good_credential_get_401_or_403_before_accept(
    strict: Stack, people: dict[str, Person]
) -> None:
    kinds = list(bad_knocks(people["alice"], people["carol"]).values())

    await assert_refused([kinds[number % len(kinds)] for number in range(ATTEMPTS)], strict.ws_url)


async def test_a_stranger_who_is_let_in_would_be_noticed(strict: Stack, alice: Person) -> None:
    with another_web(strict, "careless", HARK_ANONYMOUS="loopback") as careless:
        await assert_refused([Knock()], strict.ws_url)
        with pytest.raises(AssertionError):
            await assert_refused([Knock()], careless.ws_url)
    with pytest.raises(AssertionError):
        await assert_refused([Knock(alice.bearer)], strict.ws_url)


# --- who loses access ----------------------------------------------------------------------------------------------------


async def assert_shown_out(client: StreamClient, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        messages = await client.read_all()
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", "access_revoked")
    assert client.code == 1008


LOSSES: dict[str, tuple[Callable[[Person], None], str]] = {
    "key revoked": (Person.revoke_key, "key"),
    "key expired": (Person.expire_key, "key"),
    "user disabled": (Person.disable, "key"),
    "user of a ticket disabled": (Person.disable, "ticket"),
    "logged out": (Person.log_out, "cookie"),
    "user with a session disabled": (Person.disable, "cookie"),
    "password changed": (Person.change_password, "cookie"),
}


def good_knock(person: Person, how: str) -> Knock:
    return {
        "key": Knock(person.bearer),
        "cookie": Knock(person.cookie),
        "ticket": Knock(query=f"?ticket={person.ticket()}"),
    }[how]


async def test_each_way_to_lose_access_closes_the_live_socket_and_no_other(strict: Stack, people: dict[str, Person]) -> None:
    async with AsyncExitStack() as sockets:
        staying = StreamClient(await sockets.enter_async_context(Knock(people["bob"].bearer).connect(strict.ws_url)))
        await staying.send(say(SENTENCE))
        leaving: dict[str, StreamClient] = {}
        for number, (name, (lose, how)) in enumerate(LOSSES.items()):
            person = people[f"leaver-{number}"]
            leaving[name] = StreamClient(await sockets.enter_async_context(good_knock(person, how).connect(strict.ws_url)))
            await leaving[name].send(say(SENTENCE, silence_s=1.0))
            await leaving[name].expect("final")
            lose(person)

        for name, client in leaving.items():
            await assert_shown_out(client, within_s=20.0)
            wait_until_over(strict, client.session, 10.0)
            assert stored_texts(strict, client.session) == [SENTENCE], name
        await staying.finish()

    assert staying.words == SENTENCE.split()
    assert staying.code == 1000


async def test_a_socket_that_stays_open_would_be_noticed(strict: Stack, bob: Person) -> None:
    async with Knock(bob.bearer).connect(strict.ws_url) as socket:
        client = StreamClient(socket)
        await client.tell("start")
        with pytest.raises(TimeoutError):
            await assert_shown_out(client, within_s=5.0)


# --- limits --------------------------------------------------------------------------------------------------------------


async def test_sockets_of_a_key_are_counted_over_two_web_processes(strict: Stack, second_web: WebProcess, bob: Person) -> None:
    knock = Knock(bearer(bob.small_key))
    async with knock.connect(strict.ws_url), knock.connect(second_web.ws_url):
        refused = [await answer_to(knock, url) for url in (strict.ws_url, second_web.ws_url)]

    assert refused == [(429, "too_many_sockets")] * 2
    async with knock.connect(second_web.ws_url):
        pass


async def test_a_frame_above_a_mebibyte_ends_its_session(strict: Stack, bob: Person) -> None:
    async with Knock(bob.bearer).connect(strict.ws_url) as socket:
        client = StreamClient(socket)
        await socket.send(bytes(FRAME_LIMIT_BYTES + 2))
        messages = await client.read_all()

    assert (messages[-1]["code"], client.code) == ("frame_too_large", 1008)


async def test_a_session_that_lasts_too_long_is_ended(second_web: WebProcess, bob: Person) -> None:
    async with Knock(bob.bearer).connect(second_web.ws_url) as socket:
        client = StreamClient(socket)
        await client.tell("start")
        messages = await client.read_all()

    assert (messages[-1]["code"], client.code) == ("session_too_long", 1008)


async def test_a_ticket_of_one_web_process_opens_one_socket_of_another(
    strict: Stack, second_web: WebProcess, bob: Person
) -> None:
    knock = Knock(query=f"?ticket={bob.ticket(strict.port)}", expected=101)

    answers = await asyncio.gather(*(answer_to(knock, url) for url in [strict.ws_url, second_web.ws_url] * 4))

    assert sorted(status for status, _code in answers) == [101] + [401] * 7


# --- other people's sessions -----------------------------------------------------------------------------------------------


async def spoken_session(person: Person) -> dict[str, Any]:
    """A reliable session whose client went away; its `ready` message."""
    async with Knock(person.bearer).connect(person.stack.ws_url) as socket:
        client = StreamClient(socket)
        await client.tell("start", reliable=True)
        ready = await client.expect("ready")
        await socket.send(bytes(8) + say(SENTENCE, silence_s=1.0))
        await client.expect("final")
    return ready


def calls_on(session: str, port: int) -> list[tuple[str, str]]:
    """Every method of every address in the OpenAPI schema that takes a session, each export by itself."""
    _status, body = request(port, "GET", "/api/v1/schema/?format=json")
    paths: dict[str, dict[str, Any]] = json.loads(body)["paths"]
    found = [
        (method.upper(), path.replace("{session_id}", session).replace("{number}", "0"))
        for path, methods in paths.items()
        if "{session_id}" in path
        for method in methods
        if method in {"get", "post", "put", "patch", "delete"}
    ]
    formats = [
        ("GET", f"{path}?format={name}") for _method, path in found if "transcript" in path for name in ("txt", "srt", "vtt")
    ]
    return [*formats, *found]


def assert_hidden(session: str, headers: dict[str, str], port: int) -> None:
    calls = calls_on(session, port)
    assert len(calls) >= 6
    answers = {f"{method} {path}": request(port, method, path, headers)[0] for method, path in calls}
    assert set(answers.values()) == {404}, answers
    _status, listed = request(port, "GET", "/api/v1/sessions/", headers)
    assert session not in listed.decode()


async def test_nobody_reads_lists_exports_deletes_or_resumes_what_is_somebody_elses(
    strict: Stack, bob: Person, dora: Person
) -> None:
    ready = await spoken_session(dora)

    assert_hidden(ready["session"], bob.bearer, strict.port)
    async with Knock(bob.bearer).connect(strict.ws_url) as socket:
        client = StreamClient(socket)
        await client.tell("resume", session=ready["session"], token=ready["resume_token"])
        messages = await client.read_all()
    assert (messages[-1]["code"], client.code) == ("unknown_session", 4404)


async def test_a_session_that_is_shown_to_somebody_would_be_noticed(strict: Stack, dora: Person) -> None:
    ready = await spoken_session(dora)

    with pytest.raises(AssertionError):
        assert_hidden(ready["session"], dora.bearer, strict.port)
