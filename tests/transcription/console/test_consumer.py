"""/console through the real application, beside sessions of the scripted engine: who may watch, what they see and may do."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from asr_project.asgi import application
from tests.factories import make_user
from tests.inference.worker import Worker, running_worker
from tests.stream_client import Message
from tests.transcription.metrics.test_whole_way import page
from tests.transcription.reliable_socket import ReliableSocket
from tests.transcription.test_consumers import FIRST, PATIENCE_S, SECOND, Socket, cookie_of, stored
from tests.transcription.web_process import running_web_process
from transcription.access import keys
from transcription.console import consumer
from transcription.console.series import newest_points
from transcription.listeners import ALL_SCOPES
from transcription.metrics import meters
from transcription.metrics.process import Reporter
from transcription.models import Session
from transcription.streaming import reporting, warden
from transcription.streaming.reporting import send_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(f"unix:{tmp_path_factory.mktemp('worker') / 'i.sock'}") as started:
        yield started


@pytest.fixture(autouse=True)
async def web_process(worker: Worker, settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    paces = [(reporting, "REPORT_EVERY_S"), (consumer, "TELL_EVERY_S"), (consumer, "RIGHTS_EVERY_S"), (warden, "LOOK_EVERY_S")]
    for module, name in paces:
        monkeypatch.setattr(module, name, 0.05)
    async with running_web_process(worker, settings):
        yield


class Console(WebsocketCommunicator):  # type: ignore[misc]  # channels publishes no types
    """An open page of the console."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(application, "/console", headers=[(b"host", b"localhost"), *headers])
        self.scope["client"] = ("127.0.0.1", 50_000)
        self.code: int | None = None

    async def open(self, *topics: str) -> "Console":
        is_accepted, self.code = await self.connect(timeout=PATIENCE_S)
        assert is_accepted, self.code
        await self.send_to(text_data=json.dumps({"type": "show", "topics": topics}))
        return self

    async def until(self, condition: Callable[[Message], Any]) -> Message:
        """The first message that fulfils `condition`; fails when the server closes before."""
        while (message := await self.read()) is not None:
            if condition(message):
                return message
        pytest.fail(f"closed with {self.code}")

    async def read(self) -> Message | None:
        event = await self.receive_output(PATIENCE_S)
        if event["type"] == "websocket.close":
            self.code = event["code"]
            return None
        message: Message = json.loads(event["text"])
        return message

    async def until_closed(self) -> int | None:
        while await self.read() is not None:
            pass
        return self.code


def rows(message: Message) -> list[Message]:
    return message.get("sessions") or []


@sync_to_async
def staff(name: str, group: str = "", *permissions: str) -> tuple[bytes, bytes]:
    """The cookie of somebody who may sign in to the admin site."""
    user = User.objects.filter(username=name).first() or make_user(name, is_staff=True)
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    user.user_permissions.add(*Permission.objects.filter(content_type__app_label="transcription", codename__in=permissions))
    return cookie_of(user)


async def watching(*permissions: str) -> Console:
    return await Console(await staff("olga", "", "watch_live", *permissions)).open("sessions", "workers")


async def speaking(name: str = "alice") -> Socket:
    """A session of `name` whose first sentence is stored and whose second is being said."""
    user = await sync_to_async(make_user)(name)
    socket = await Socket([await sync_to_async(cookie_of)(user), (b"user-agent", b"phone gateway")]).open()
    await socket.say(FIRST, 1.0)
    await socket.expect("final")
    await socket.say(SECOND)
    await socket.expect("partial")
    return socket


async def test_whoever_may_read_sees_who_speaks_and_the_last_text_that_was_stored() -> None:
    console = await watching("view_session")
    socket = await speaking()

    message = await console.until(
        lambda message: any(row["num_finals"] and row["text"] and row["is_speaking"] for row in rows(message))
    )

    (row,) = rows(message)
    assert (row["who"], row["client"], row["model"], row["phase"]) == ("alice", "phone gateway", "fake", "live")
    assert (row["text"], row["num_finals"]) == (FIRST, 1)
    assert (message["num_sessions"], message["num_speaking"]) == (1, 1)
    workers = await console.until(lambda message: message["type"] == "workers")
    assert [(each["name"], each["is_ready"], each["models"][0]["name"]) for each in workers["workers"]] == [
        ("inference-0", True, "fake")
    ]
    await socket.finish()
    await console.until(lambda message: message.get("num_sessions") == 0)
    await console.disconnect()


async def test_the_numbers_of_the_console_are_those_of_metrics_and_of_the_stored_samples() -> None:
    console = await watching()
    first, second = await speaking("alice"), await speaking("bob")

    live = await console.until(lambda message: message.get("num_speaking") == 2)

    told = (live["num_connections"], live["num_sessions"], live["num_speaking"])
    measured = await page()
    sessions = sum(value for name, value in measured.items() if name.startswith("hark_sessions_live"))
    assert told == (measured["hark_connections"], sessions, measured["hark_streams_speaking"]) == (2, 2, 2)
    assert await sync_to_async(drawn_now)() == told
    await first.finish()
    await second.finish()
    await console.disconnect()


def drawn_now() -> tuple[float | None, ...]:
    """What the first chart shows when the process has stored what it measured."""
    Reporter("web", meters.web).once()
    (chart,) = [each for each in newest_points("15m", timezone.now() + timedelta(seconds=10)).charts if each.key == "connections"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
    return tuple(next(value for value in reversed(line.values) if value is not None) for line in chart.lines)


async def test_no_word_that_is_said_reaches_those_who_may_not_read_nor_the_channel_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    layer = reporting.current_layer()
    send = layer.group_send

    async def noted(group: str, message: dict[str, Any]) -> None:
        sent.append(json.dumps(message))
        await send(group, message)

    monkeypatch.setattr(layer, "group_send", noted)
    console = await watching()
    socket = await speaking()

    message = await console.until(lambda message: any(row["num_finals"] for row in rows(message)))

    assert [row["text"] for row in rows(message)] == [None]
    assert any('"report"' in each for each in sent)
    assert not [each for each in sent if any(word in each for word in FIRST.split())]
    await socket.finish()
    await console.disconnect()


async def test_a_session_that_an_operator_ends_keeps_its_text_and_tells_its_client_why() -> None:
    socket = await speaking()
    session, _texts = await stored()

    await send_order(session.pk, "end")

    messages = await socket.read_all()
    assert (messages[-1]["type"], messages[-1]["code"], socket.code) == ("error", "ended_by_operator", 1008)
    session, texts = await stored()
    assert (session.status, session.error_code, texts) == (Session.Status.FAILED, "ended_by_operator", [FIRST])


async def test_a_plain_session_that_is_put_down_comes_to_its_end_with_all_its_text() -> None:
    socket = await speaking()
    session, _texts = await stored()

    await send_order(session.pk, "drain")

    messages = await socket.read_all()
    assert socket.of("going_away")
    assert (messages[-1]["type"], messages[-1]["complete"], socket.text) == ("done", True, f"{FIRST} {SECOND}")


async def test_a_reliable_session_that_is_put_down_goes_on_over_another_socket() -> None:
    socket = ReliableSocket()
    ready = await socket.begin()
    await socket.say(FIRST, 1.0)
    await socket.expect("final")

    await send_order(UUID(ready["session"]), "drain")

    assert (await socket.expect("going_away"))["resume_within_s"] > 0
    await socket.read_all()
    back = ReliableSocket()
    back.sent = (await back.resume(ready, next_segment=1))["offset"]
    await back.say(SECOND)
    await back.finish()
    assert (await stored())[1] == [FIRST, SECOND]


@pytest.mark.parametrize("who", ["nobody", "staff without the right", "a key", "a foreign page"])
async def test_nobody_else_may_watch(who: str) -> None:
    headers = {
        "nobody": [],
        "staff without the right": [await staff("vera")],
        "a key": [(b"authorization", b"Bearer " + await key_of_root())],
        "a foreign page": [await staff("olga", "", "watch_live"), (b"origin", b"https://evil.example")],
    }

    is_accepted, _code = await Console(*headers[who]).connect(timeout=PATIENCE_S)

    assert not is_accepted


@sync_to_async
def key_of_root() -> bytes:
    root = User.objects.create_superuser("root")
    return keys.make_key(root, "gateway", ALL_SCOPES)[1].encode()


async def sign_out(cookie: tuple[bytes, bytes]) -> None:
    client = Client()
    client.cookies["sessionid"] = cookie[1].decode().removeprefix("sessionid=")
    await sync_to_async(client.logout)()


@pytest.mark.parametrize(("loss", "code"), [("signs out", 1008), ("loses the right", 4403)])
async def test_a_console_closes_when_its_reader_may_not_watch_any_more(loss: str, code: int) -> None:
    cookie = await staff("olga", "", "watch_live")
    console = await Console(cookie).open("sessions")
    if loss == "signs out":
        await sign_out(cookie)
    else:
        await sync_to_async(lambda: User.objects.get(username="olga").user_permissions.clear())()

    assert await console.until_closed() == code


async def test_a_message_that_is_none_closes_the_console() -> None:
    console = await watching()
    await console.send_to(text_data='{"type": "show", "topics": ["passwords"]}')

    assert await console.until_closed() == 4400
