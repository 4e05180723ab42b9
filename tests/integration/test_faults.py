"""Faults through the real stack with the scripted engine: bad clients, killed processes, a stopped web server."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from tests.inference.worker import say, wait_until
from tests.stack import Stack, running_stack
from tests.stream_client import Message, StreamClient, assert_well_formed, open_stream

FIRST = "alpha bravo charlie delta echo foxtrot"
SECOND = "golf hotel india juliett kilo lima"
THIRD = "mike november oscar papa quebec romeo"

MALFORMED: list[tuple[str, list[str | bytes], str]] = [
    ("text that is not JSON", ["hello"], "invalid_json"),
    ("JSON that is cut off", ['{"type":"start"'], "invalid_json"),
    ("a JSON list", ["[]"], "invalid_message"),
    ("a JSON number", ["17"], "invalid_message"),
    ("no type", ["{}"], "invalid_message"),
    ("a type that is a list", ['{"type":[]}'], "invalid_message"),
    ("an unknown message", ['{"type":"begin"}'], "unknown_message"),
    ("a server's message", ['{"type":"ready"}'], "unknown_message"),
    ("JSON that is too deep", ["[" * 40_000], "invalid_json"),
    ("a text that is too long", ["x" * 70_000], "message_too_long"),
    ("an unsupported encoding", ['{"type":"start","encoding":"aiff"}'], "unsupported_encoding"),
    ("a rate that is too low", ['{"type":"start","sample_rate":10}'], "unsupported_sample_rate"),
    ("a rate that is a word", ['{"type":"start","sample_rate":"fast"}'], "unsupported_sample_rate"),
    ("a rate beyond all numbers", ['{"type":"start","sample_rate":1e999}'], "invalid_json"),
    ("three channels", ['{"type":"start","channels":3}'], "unsupported_channels"),
    ("an option of the wrong type", ['{"type":"start","interim":"yes"}'], "invalid_option"),
    ("an unknown model", ['{"type":"start","model":"nobody"}'], "unknown_model"),
    ("an unknown language", ['{"type":"start","language":"xx"}'], "unsupported_language"),
    ("a file in bare samples", ['{"type":"start","encoding":"mulaw"}', b"OggS" + bytes(100)], "unsupported_encoding"),
    ("a frame over 1 MiB", [bytes(1024 * 1024 + 2)], "frame_too_large"),
    ("audio that start contradicts", [bytes(320), '{"type":"start","sample_rate":8000}'], "start_after_audio"),
    ("a numbered file", ['{"type":"start","reliable":true,"encoding":"flac"}'], "unsupported_option"),
    ("a frame without its number", ['{"type":"start","reliable":true}', b"1234567"], "invalid_frame"),
    ("only bad messages", [bytes(320), *['{"type":"nonsense"}'] * 30], "too_many_bad_messages"),
]


async def answer_to(stack: Stack, frames: list[str | bytes]) -> list[Message]:
    async with open_stream(stack.ws_url) as client:
        try:
            for frame in frames:
                await client.socket.send(frame)
        except ConnectionClosed:
            pass  # refused before all of it was sent
        return await client.read_all()


async def test_no_malformed_input_disturbs_another_session(fake_server: Stack) -> None:
    async with open_stream(fake_server.ws_url) as good:
        await good.send(say(FIRST, 1.0))
        answers = await asyncio.gather(*(answer_to(fake_server, frames) for _name, frames, _code in MALFORMED))
        await good.send(say(SECOND))
        messages = await good.finish()

    assert good.words == f"{FIRST} {SECOND}".split()
    assert_well_formed(messages)
    for (name, _frames, code), answer in zip(MALFORMED, answers, strict=True):
        assert (answer[-1]["type"], answer[-1]["code"]) == ("error", code), name
        assert_well_formed(answer)
    assert "Traceback" not in fake_server.logs()


async def test_an_odd_byte_is_joined_with_the_next_frame(fake_server: Stack) -> None:
    pcm = say(FIRST)
    async with open_stream(fake_server.ws_url) as client:
        await client.send(pcm, piece_bytes=1_001)
        messages = await client.finish()

    assert client.words == FIRST.split()
    assert [warning["code"] for warning in client.of("warning")] == ["odd_byte_count"]
    assert messages[-1]["received_ms"] == len(pcm) // 32


async def test_thousands_of_unknown_options_are_answered_shortly(fake_server: Stack) -> None:
    options = {f"endpoint_{number}": 1 for number in range(2_500)}
    async with open_stream(fake_server.ws_url) as client:
        async with asyncio.timeout(5):
            await client.tell("start", **options)
            await client.expect("ready")
        await client.finish()

    assert 1 <= len(client.of("warning")) < 20
    assert_well_formed(client.messages)


async def partial_of(client: StreamClient, segment: int) -> None:
    await client.until(lambda message: message["type"] == "partial" and message["segment"] == segment)


async def test_a_killed_inference_process_costs_no_word(fake_server: Stack) -> None:
    async with open_stream(fake_server.ws_url) as client:
        await client.send(say(FIRST, 1.0) + say(SECOND))
        await partial_of(client, 1)

        fake_server.kill_inference()
        await client.send(say(THIRD))
        fake_server.start_inference()
        messages = await client.finish()

    assert client.words == f"{FIRST} {SECOND} {THIRD}".split()
    assert_well_formed(messages)
    assert messages[-1]["complete"]
    assert stored_text(fake_server, client.session) == " ".join(client.words)


async def test_a_killed_inference_process_mixes_up_no_sessions(fake_server: Stack) -> None:
    texts = [" ".join([word] * 5) for word in f"{FIRST} {SECOND}".split()]
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(fake_server.ws_url)) for _ in texts]
        await asyncio.gather(*(client.send(say(text, 1.0)) for client, text in zip(clients, texts, strict=True)))
        await asyncio.gather(*(client.expect("speech_started") for client in clients))

        fake_server.restart_inference()
        await asyncio.gather(*(client.send(say(text)) for client, text in zip(clients, texts, strict=True)))
        await asyncio.gather(*(client.finish() for client in clients))

    assert [" ".join(client.words) for client in clients] == [f"{text} {text}" for text in texts]
    for client in clients:
        assert_well_formed(client.messages)


@pytest.fixture(scope="module")
def shared_pair_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("pair"), num_inference=2, HARK_MODELS="fake") as stack:
        yield stack


TWO_REPORTS_S = 2.5
"""Until no report of the processes' load tells of what the test before did: sessions would avoid the one that was busy."""


@pytest.fixture
def pair_server(shared_pair_server: Stack) -> Stack:
    """A server with two inference processes, both ready."""
    for number in range(shared_pair_server.num_inference):
        if shared_pair_server.processes[f"inference-{number}"].poll() is not None:
            shared_pair_server.start_inference(number)
    wait_until(lambda: all(inference_of(shared_pair_server).values()))
    time.sleep(TWO_REPORTS_S)
    return shared_pair_server


def inference_of(stack: Stack) -> dict[str, bool]:
    """Which inference processes would take a session now, as /readyz says."""
    _status, body = stack.get("/readyz")
    told: dict[str, bool] = json.loads(body)["inference"]
    return told


@pytest.mark.parametrize("number", [0, 1])
async def test_sessions_of_a_killed_process_go_on_in_the_other_one(pair_server: Stack, number: int) -> None:
    """Mid-speech, six sessions on two processes; nobody starts the killed one again."""
    log = pair_server.log_of("web")
    log_start = len(log.read_text())
    texts = [" ".join([word] * 5) for word in FIRST.split()]
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(pair_server.ws_url)) for _ in texts]
        await asyncio.gather(*(client.send(say(text, 1.0) + say(text)) for client, text in zip(clients, texts, strict=True)))
        await asyncio.gather(*(partial_of(client, 1) for client in clients))

        pair_server.kill_inference(number)
        await asyncio.gather(*(client.send(say(text)) for client, text in zip(clients, texts, strict=True)))
        await asyncio.gather(*(client.finish() for client in clients))
        readiness = await asyncio.to_thread(inference_of, pair_server)

    assert [" ".join(client.words) for client in clients] == [f"{text} {text} {text}" for text in texts]
    for client in clients:
        assert_well_formed(client.messages)
        assert client.messages[-1]["complete"]
        assert stored_text(pair_server, client.session) == " ".join(client.words)
    assert readiness == {f"inference-{number}": False, f"inference-{1 - number}": True}
    assert re.search(rf"inference-{number} is gone; [1-5] of its streams go on elsewhere, 0 wait", log.read_text()[log_start:])


async def test_each_process_is_killed_once_in_a_finalize_and_right_after_a_final(pair_server: Stack) -> None:
    """Every finalize is answered, every word is heard once, and what is stored is what was told."""
    async with open_stream(pair_server.ws_url) as client:
        await client.send(say(FIRST, 1.0))
        await client.expect("final")
        pair_server.kill_inference(0)
        await client.send(say(SECOND))
        await partial_of(client, 1)
        await client.tell("finalize")
        pair_server.start_inference(0)
        await asyncio.to_thread(wait_until, lambda: inference_of(pair_server)["inference-0"])
        pair_server.kill_inference(1)
        await client.send(say(THIRD))
        messages = await client.finish()

    assert client.words == f"{FIRST} {SECOND} {THIRD}".split()
    assert [final["from_finalize"] for final in client.of("final")] == [False, True, False]
    assert_well_formed(messages)
    assert messages[-1]["complete"]
    assert stored_text(pair_server, client.session) == " ".join(client.words)


async def test_what_a_vanished_client_said_is_stored(fake_server: Stack) -> None:
    async with open_stream(fake_server.ws_url) as client:
        await client.send(say(FIRST, 1.0) + say(SECOND))
        await client.expect("ready")
        client.socket.transport.abort()

    await asyncio.to_thread(wait_until_closed, fake_server, client.session)
    assert stored_text(fake_server, client.session) == f"{FIRST} {SECOND}"


async def test_stopping_the_web_server_keeps_what_was_said(fake_server: Stack) -> None:
    """Whole sentences and the one that is being spoken: both are stored when the process has ended."""
    async with open_stream(fake_server.ws_url) as client:
        await client.send(say(FIRST, 1.0) + say(SECOND))
        await partial_of(client, 1)
        await asyncio.to_thread(fake_server.signal, "web", signal.SIGTERM)

    assert stored_text(fake_server, client.session) == f"{FIRST} {SECOND}"
    assert status_of(fake_server, client.session) == "complete"


def wait_until_closed(stack: Stack, session: str) -> None:
    wait_until(lambda: status_of(stack, session) != "live")


def stored_text(stack: Stack, session: str) -> str:
    with psycopg.connect(stack.database_url) as connection:
        rows = connection.execute(
            "SELECT text FROM transcription_segment WHERE session_id = %s ORDER BY number", [session]
        ).fetchall()
    return " ".join(text for (text,) in rows)


def status_of(stack: Stack, session: str) -> str:
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT status FROM transcription_session WHERE id = %s", [session]).fetchone()
    return row[0] if row else ""


async def test_the_stored_session_is_served_over_rest(fake_server: Stack) -> None:
    async with open_stream(fake_server.ws_url) as client:
        await client.send(say(FIRST))
        await client.finish()

    status, body = await asyncio.to_thread(fake_server.get, f"/api/v1/sessions/{client.session}/")

    assert status == 200
    assert json.loads(body)["status"] == "complete"
