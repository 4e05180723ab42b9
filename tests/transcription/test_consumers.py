"""/stream through the real ASGI application (origin, authentication, routing) with a real process of the scripted engine."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from asr_project.asgi import application
from asr_project.websocket import AUDIO_EXTENSION
from tests.factories import make_user
from tests.inference.worker import Worker, running_worker, say
from tests.stream_client import Message, assert_well_formed, client_text, validator
from tests.transcription.web_process import running_web_process
from transcription import consumers, services
from transcription.models import Segment, Session
from transcription.recognizer import close_client
from transcription.session.stream_session import StreamSession
from transcription.streaming import outbox, recorder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]
PATIENCE_S = 20
FIRST = "alpha bravo charlie delta echo foxtrot"
SECOND = "golf hotel india juliett kilo lima"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(f"unix:{tmp_path_factory.mktemp('worker') / 'i.sock'}") as started:
        yield started


@pytest.fixture(autouse=True)
async def web_process(worker: Worker, settings: Any) -> AsyncIterator[None]:
    async with running_web_process(worker, settings):
        yield


class Socket(WebsocketCommunicator):  # type: ignore[misc]  # channels publishes no types
    """A client of /stream. `messages`: all that was received."""

    def __init__(self, headers: list[tuple[bytes, bytes]] | None = None, path: str = "/stream") -> None:
        super().__init__(application, path, headers=[(b"host", b"localhost"), *(headers or [])])
        self.scope["client"] = ("127.0.0.1", 50_000)
        self.messages: list[Message] = []
        self.code: int | None = None

    async def open(self) -> "Socket":
        is_accepted, _ = await self.connect(timeout=PATIENCE_S)
        assert is_accepted
        return self

    async def say(self, text: str, silence_s: float = 0.0) -> None:
        pcm = say(text, silence_s)
        for start in range(0, len(pcm), 6_400):
            await self.send_to(bytes_data=pcm[start : start + 6_400])

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.send_to(text_data=client_text(kind, fields))

    async def read(self) -> Message | None:
        """The next message; None when the server has closed."""
        event = await self.receive_output(PATIENCE_S)
        if event["type"] == "websocket.close":
            self.code = event["code"]
            return None
        message: Message = json.loads(event["text"])
        validator("server").validate(message)
        self.messages.append(message)
        return message

    async def expect(self, kind: str) -> Message:
        while (message := await self.read()) is not None:
            if message["type"] == kind:
                return message
        pytest.fail(f"no {kind} came before the close")

    async def finish(self) -> list[Message]:
        await self.tell("end")
        return await self.read_all()

    async def read_all(self) -> list[Message]:
        while await self.read() is not None:
            pass
        await self.leave()
        return self.messages

    async def leave(self) -> None:
        """Go away and wait until the server has done all that it does for this socket."""
        await self.disconnect(timeout=PATIENCE_S)

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def text(self) -> str:
        return " ".join(final["text"] for final in self.of("final") if final["text"])


@sync_to_async
def stored() -> tuple[Session, list[str]]:
    """The only session and its texts."""
    session = Session.objects.get()
    return session, [segment.text for segment in session.segments.order_by("number")]


def cookie_of(user: User) -> tuple[bytes, bytes]:
    client = Client()
    client.force_login(user)
    cookies: SimpleCookie = client.cookies
    return b"cookie", f"sessionid={cookies['sessionid'].value}".encode()


# Coming in


async def test_a_bare_client_sends_audio_and_reads_text() -> None:
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)
    await socket.say(SECOND)

    messages = await socket.finish()

    assert socket.text == f"{FIRST} {SECOND}"
    assert messages[0]["type"] == "ready"
    assert_well_formed(messages)
    assert socket.code == 1000


@pytest.mark.parametrize(
    ("name", "origin", "is_accepted"),
    [("our own page", b"http://localhost", True), ("a foreign page", b"https://evil.example", False), ("no page", None, True)],
)
async def test_only_our_own_pages_and_programs_are_let_in(name: str, origin: bytes | None, is_accepted: bool) -> None:
    socket = Socket([] if origin is None else [(b"origin", origin)])

    accepted, _ = await socket.connect(timeout=PATIENCE_S)

    assert accepted is is_accepted, name
    await socket.leave()


@pytest.mark.parametrize(
    ("name", "anonymous", "address", "headers"),
    [
        ("anonymous where it is off", "off", "127.0.0.1", []),
        ("anonymous from elsewhere", "loopback", "192.0.2.7", []),
        ("anonymous through a proxy", "loopback", "127.0.0.1", [(b"x-forwarded-for", b"192.0.2.7")]),
    ],
)
async def test_nobody_in_particular_is_refused_before_accept(
    name: str, anonymous: str, address: str, headers: list[tuple[bytes, bytes]], settings: Any
) -> None:
    settings.HARK_ANONYMOUS = anonymous
    socket = Socket(headers)
    socket.scope["client"] = (address, 50_000)

    accepted, code = await socket.connect(timeout=PATIENCE_S)

    assert (accepted, code) == (False, 4401), name


@pytest.mark.parametrize("path", ["/", "/stream/", "/streams", "/admin/"])
async def test_an_unknown_address_is_refused_before_accept(path: str) -> None:
    accepted, code = await Socket(path=path).connect(timeout=PATIENCE_S)

    assert (accepted, code) == (False, 4400)


async def test_a_signed_in_user_owns_the_session(settings: Any) -> None:
    settings.HARK_ANONYMOUS = "off"
    alice = await sync_to_async(make_user)("alice")
    socket = await Socket([await sync_to_async(cookie_of)(alice), (b"user-agent", b"tests/1")]).open()
    await socket.say(FIRST)
    await socket.finish()

    session, _texts = await stored()

    assert (session.owner_id, session.client) == (alice.pk, "tests/1")


# Storing


async def test_what_is_stored_is_what_was_announced() -> None:
    socket = await Socket().open()
    await socket.tell("start", language="en", metadata={"call": 7})
    await socket.say(FIRST, 1.0)
    await socket.say(SECOND)
    messages = await socket.finish()

    session, texts = await stored()

    assert texts == [final["text"] for final in socket.of("final")]
    assert str(session.pk) == socket.of("ready")[0]["session"]
    assert (session.status, session.metadata) == ("complete", {"call": 7})
    assert {name: getattr(session, name) for name in ("received_ms", "transcribed_ms", "silence_ms", "gap_ms")} == {
        name: messages[-1][name] for name in ("received_ms", "transcribed_ms", "silence_ms", "gap_ms")
    }


async def test_a_final_is_stored_before_it_is_announced() -> None:
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)

    final = await socket.expect("final")

    _session, texts = await stored()
    assert texts == [final["text"]]
    await socket.leave()


async def test_while_the_database_is_away_finals_are_announced_and_stored_once_later(monkeypatch: pytest.MonkeyPatch) -> None:
    store = services.store
    monkeypatch.setattr(outbox, "ANNOUNCE_PATIENCE_S", 0.05)
    monkeypatch.setattr(recorder, "FIRST_RETRY_S", 0.05)

    def fail(_entries: list[services.Entry]) -> None:
        raise OperationalError("the server is away")

    monkeypatch.setattr(services, "store", fail)
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)
    await socket.expect("final")
    monkeypatch.setattr(services, "store", store)
    await socket.finish()

    session, texts = await stored()
    assert (session.status, texts) == ("complete", [FIRST])


async def test_an_abrupt_disconnect_keeps_what_was_said() -> None:
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)
    await socket.say(SECOND)

    await socket.leave()

    session, texts = await stored()
    assert (session.status, texts) == ("complete", [FIRST, SECOND])


async def test_the_last_words_are_stored_before_the_socket_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may stop right after: uvicorn waits for its sockets only."""
    store = services.store

    def store_slowly(entries: list[services.Entry]) -> None:
        time.sleep(0.3)
        store(entries)

    monkeypatch.setattr(services, "store", store_slowly)
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for event in ({"type": "websocket.connect"}, {"type": "websocket.receive", "bytes": say(FIRST)}):
        said.put_nowait(event)

    async def send(event: Mapping[str, Any]) -> None:
        if event["type"] == "websocket.send" and json.loads(event["text"])["type"] == "ready":
            said.put_nowait({"type": "websocket.disconnect", "code": 1012})
        elif event["type"] == "websocket.send":
            raise OSError("the client is gone")

    await application(socket_scope(), said.get, send)

    assert (await stored())[1] == [FIRST]


def socket_scope() -> dict[str, Any]:
    return dict(Socket().scope)


async def test_nothing_is_stored_of_a_client_that_only_looked_in() -> None:
    socket = await Socket().open()

    await socket.leave()

    assert await Session.objects.acount() == 0
    assert await Segment.objects.acount() == 0


# Bad clients


async def test_a_frame_over_one_mebibyte_is_refused() -> None:
    socket = await Socket().open()
    await socket.send_to(bytes_data=bytes(1024 * 1024 + 2))

    messages = await socket.read_all()

    assert [message["code"] for message in messages] == ["frame_too_large"]
    assert socket.code == 1008


async def test_a_client_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.HARK_IDLE_TIMEOUT_S = 0.05
    socket = await Socket().open()

    messages = await socket.read_all()

    assert [message["code"] for message in messages] == ["idle_timeout"]
    assert socket.code == 4408


async def test_a_live_session_that_falls_silent_keeps_its_text(settings: Any) -> None:
    settings.HARK_IDLE_TIMEOUT_S = 2
    socket = await Socket().open()
    await socket.say(FIRST, 1.0)

    messages = await socket.read_all()

    assert messages[-1]["code"] == "idle_timeout"
    session, texts = await stored()
    assert (session.status, session.error_code, texts) == ("failed", "idle_timeout", [FIRST])


async def test_a_client_that_never_reads_is_cut_off_and_its_words_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_UNSENT", 3)
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said.put_nowait({"type": "websocket.connect"})
    for number in range(8):
        said.put_nowait({"type": "websocket.receive", "bytes": say(f"alpha {FIRST}" if number == 0 else "bravo charlie", 1.0)})
    reads = asyncio.Event()
    outgoing: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        if event["type"] != "websocket.accept":
            await reads.wait()
        outgoing.append(event)

    serving = asyncio.create_task(application_call(said.get, send))
    while await Segment.objects.acount() < 8:  # noqa: ASYNC110  # the other side of a database tells no news
        await asyncio.sleep(0.02)
    reads.set()
    said.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await serving

    assert [event.get("code") for event in outgoing if event["type"] == "websocket.close"] == [1008]
    _session, texts = await stored()
    assert len(texts) == 8


async def application_call(receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    await application(socket_scope(), receive, send)


async def test_a_fault_of_ours_ends_one_session_with_one_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("a fault was switched on")

    good, bad = await Socket().open(), await Socket().open()
    await good.say(FIRST, 1.0)
    await bad.say("alpha")
    await bad.expect("ready")
    with monkeypatch.context() as fault, caplog.at_level(logging.CRITICAL):
        fault.setattr(StreamSession, "on_text", fail)
        await bad.tell("ping")
        messages = await bad.read_all()
    await good.finish()

    assert [message["code"] for message in messages if message["type"] == "error"] == ["internal"]
    assert bad.code == 1011
    assert good.text == FIRST


async def test_a_fault_on_the_way_to_the_end_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("a fault was switched on")

    socket = await Socket().open()
    await socket.say("alpha")
    await socket.expect("ready")
    with monkeypatch.context() as fault:
        fault.setattr(StreamSession, "on_text", fail)
        fault.setattr(StreamSession, "on_crash", fail)
        await socket.tell("ping")
        messages = await socket.read_all()

    assert [message["code"] for message in messages if message["type"] == "error"] == ["internal"]
    assert socket.code == 1011


@pytest.mark.parametrize("name", ["routes_known", "find_session"])
async def test_a_fault_before_there_is_a_session_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def fail(*_args: object) -> None:
        raise RuntimeError("a fault was switched on")

    monkeypatch.setattr(consumers, name, fail)
    socket = await Socket().open()
    await socket.tell("resume", session=str(uuid4()), token="x" * 43)

    (error,) = await socket.read_all()
    assert (error["code"], socket.code) == ("internal", 1011)


# Audio that the server gives without being asked (`asr_project.websocket`)


async def given_to(frame: bytes = b"") -> tuple[Socket, Callable[[bytes], bool]]:
    """A session that has begun with `frame`, and what takes its further audio."""
    takers: list[Callable[[bytes], bool]] = []
    socket = Socket()
    socket.scope["extensions"] = {AUDIO_EXTENSION: {"give_to": takers.append}}
    await socket.open()
    await socket.say(FIRST, 1.0) if not frame else await socket.send_to(bytes_data=frame)
    await socket.expect("ready")
    (taker,) = takers
    return socket, taker


async def test_audio_that_is_given_at_once_is_heard_as_any_other() -> None:
    socket, taker = await given_to()
    speech = say(SECOND, 1.0)

    assert all(taker(speech[start : start + 6_400]) for start in range(0, len(speech), 6_400))
    await socket.finish()

    assert socket.text == f"{FIRST} {SECOND}"


async def test_a_fault_while_audio_is_given_at_once_ends_the_session_and_not_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("a fault was switched on")

    socket, taker = await given_to()
    with monkeypatch.context() as fault:
        fault.setattr(StreamSession, "pass_on", fail)
        is_taken = taker(bytes(6_400))
        messages = await socket.read_all()

    assert is_taken
    assert [message["code"] for message in messages if message["type"] == "error"] == ["internal"]
    assert socket.code == 1011


async def test_whoever_sends_more_than_allowed_is_given_to_no_more(settings: Any) -> None:
    settings.HARK_MAX_BYTES_PER_S = 32_000
    socket, taker = await given_to(bytes(6_400))

    num_taken = next(number for number in range(100) if not taker(bytes(6_400)))

    assert 18 <= num_taken <= 25  # four seconds' worth at once
    await socket.disconnect()


async def test_recognition_that_does_not_come_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any
) -> None:
    settings.HARK_INFERENCE_ADDRESS = f"unix:{tmp_path / 'nobody.sock'}"
    monkeypatch.setattr("inference.client.pool.OPEN_PATIENCE_S", 0.05)
    await close_client()
    socket = await Socket().open()
    await socket.say("alpha")

    messages = await socket.read_all()

    assert (messages[-1]["code"], messages[-1]["retryable"]) == ("inference_unavailable", True)
    assert socket.code == 1013


async def test_many_at_once_hear_their_own_words_only() -> None:
    words = FIRST.split()
    sockets = [await Socket().open() for _ in words]

    await asyncio.gather(*(socket.say(f"{word} {word} {word}") for socket, word in zip(sockets, words, strict=True)))
    for socket in sockets:
        await socket.finish()

    assert [socket.text for socket in sockets] == [f"{word} {word} {word}" for word in words]
    assert await Segment.objects.acount() == len(words)


async def test_finalize_and_configure_go_all_the_way() -> None:
    socket = await Socket().open()
    await socket.tell("start", language="en")
    await socket.say(FIRST)
    await socket.tell("finalize")
    first = await socket.expect("final")
    await socket.tell("configure", language="de")
    await socket.say(SECOND)
    await socket.finish()

    second = socket.of("final")[-1]
    assert (first["from_finalize"], first["text"], first["language"]) == (True, FIRST, "en")
    assert (second["from_finalize"], second["text"], second["language"]) == (False, SECOND, "de")
