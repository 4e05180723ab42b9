"""clients/python against the real server: cut connections, a web process that is killed, one that stops beside another."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import hark
from hark.events import Done, Event, Final, Reconnecting, Resumed
from tests.acceptance.web_processes import another_web
from tests.inference.worker import say
from tests.speech import spoken_words
from tests.stack import Stack

TALK = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima"
PAUSE = bytes(32_000)
SENTENCES = [TALK.split()[first : first + 3] for first in range(0, 12, 3)]
AUDIO = b"".join(say(" ".join(sentence)) + PAUSE for sentence in SENTENCES)
PACKAGE = Path(hark.__file__).parent.parent


@dataclass
class Relay:
    """A network between client and server; `cut` breaks every connection that goes through it."""

    url: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while block := await reader.read(4096):
                writer.write(block)
                await writer.drain()
        except ConnectionError:
            pass  # cut
        finally:
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[Relay]:
    relay = Relay()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(relay.carry(reader, server_writer), relay.carry(server_reader, writer))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        relay.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream"
        yield relay


async def send_slowly(stream: hark.Stream, audio: bytes) -> None:
    """Four times as fast as it is spoken."""
    for start in range(0, len(audio), 6_400):
        await stream.send(audio[start : start + 6_400])
        await asyncio.sleep(0.05)
    await stream.end()


def words(events: list[Event]) -> list[str]:
    return [word for event in events if isinstance(event, Final) for word in event.text.split()]


def assert_whole(events: list[Event]) -> None:
    """Every word came once, and the server says so too."""
    done = events[-1]
    assert isinstance(done, Done)
    assert words(events) == TALK.split()
    assert done.complete
    assert done.received_ms == len(AUDIO) // 32 == done.transcribed_ms + done.silence_ms + done.gap_ms


async def test_cut_connections_lose_no_word(fake_server: Stack) -> None:
    events: list[Event] = []
    async with relay_to(fake_server.port) as relay, hark.connect(relay.url) as stream:
        sending = asyncio.create_task(send_slowly(stream, AUDIO))
        num_cuts = 0
        async for event in stream:
            events.append(event)
            if isinstance(event, Final) and num_cuts < 3:
                num_cuts += 1
                relay.cut()
        await sending

    assert_whole(events)
    assert sum(isinstance(event, Resumed) for event in events) == 3


async def test_a_web_process_that_is_killed_and_started_again_loses_no_word(fake_server: Stack) -> None:
    events: list[Event] = []
    async with hark.connect(fake_server.ws_url) as stream:
        sending = asyncio.create_task(send_slowly(stream, AUDIO))
        async for event in stream:
            events.append(event)
            if isinstance(event, Final) and event.segment == 1:
                fake_server.signal("web", signal.SIGKILL)
                fake_server.start_web()
        await sending

    assert_whole(events)
    assert any(isinstance(event, Resumed) for event in events)


async def test_a_web_process_that_stops_hands_its_stream_to_the_other(fake_server: Stack) -> None:
    events: list[Event] = []
    with another_web(fake_server, "web-other") as other:
        async with hark.connect([other.ws_url, fake_server.ws_url]) as stream:
            sending = asyncio.create_task(send_slowly(stream, AUDIO))
            async for event in stream:
                events.append(event)
                if isinstance(event, Final) and event.segment == 1:
                    os.kill(other.pid, signal.SIGTERM)
            await sending

    assert_whole(events)
    assert [event.reason for event in events if isinstance(event, Reconnecting)][0] == "going_away"


async def test_a_long_recording_goes_as_fast_as_the_server_takes_it(fake_server: Stack) -> None:
    """Three minutes: three times as much as the server lets wait."""
    recording = (AUDIO + PAUSE * 40) * 4

    transcript = await hark.transcribe_async(recording, fake_server.ws_url, raw=hark.AudioFormat())

    assert transcript.is_complete
    assert transcript.text.split() == TALK.split() * 4
    assert transcript.done.received_ms == len(recording) // 32


def test_a_program_without_an_event_loop_sends_and_reads(fake_server: Stack) -> None:
    with hark.sync.connect(fake_server.http_url) as stream:
        stream.send(AUDIO)
        stream.end()
        events = list(stream)

    assert_whole(events)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(AUDIO)
    return path


def run(stack: Stack, *arguments: str | Path, input_: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    """The program `hark`, as installed; its address comes from the environment."""
    environment = os.environ | {"HARK_URL": stack.http_url, "PYTHONPATH": str(PACKAGE)}
    return subprocess.run(
        [sys.executable, "-m", "hark", *arguments], env=environment, input=input_, capture_output=True, timeout=60, check=False
    )


def test_the_command_line_prints_finals_and_finds_them_again(fake_server: Stack, recording: Path) -> None:
    ended = run(fake_server, "transcribe", "--format", "json", recording)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    session = events[0]["session"]

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert [event["text"].split() for event in events if event["type"] == "final"] == SENTENCES
    assert events[-1]["type"] == "done"
    tailed = run(fake_server, "tail", session)
    assert (tailed.returncode, tailed.stderr) == (0, b"")
    assert tailed.stdout.decode().splitlines() == [" ".join(sentence) for sentence in SENTENCES]
    assert session in run(fake_server, "sessions", "--search", "juliett").stdout.decode()


def test_the_example_prints_what_was_said(fake_server: Stack, recording: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "examples/python_client.py", recording, fake_server.http_url],
        cwd=PACKAGE.parents[2], env=os.environ | {"PYTHONPATH": str(PACKAGE)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    finals = [line.split()[1:] for line in ended.stdout.splitlines() if line.startswith("final ")]

    assert ended.returncode == 0, ended.stderr
    assert finals == SENTENCES
    assert "partial" in ended.stdout


def test_standard_input_is_transcribed(fake_server: Stack) -> None:
    ended = run(fake_server, "transcribe", "-", input_=AUDIO)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.decode().split() == TALK.split()


@pytest.mark.speech
@pytest.mark.parametrize("decode", ["here", "server"])
def test_a_compressed_recording_is_heard_by_real_weights(hark_server: Stack, speech_dir: Path, decode: str) -> None:
    transcript = hark.transcribe(speech_dir / "arctic-axb-a0004.flac", hark_server.http_url, decode=decode)  # type: ignore[arg-type]  # a literal

    assert transcript.is_complete
    assert "glad to see you again" in " ".join(spoken_words(transcript.text))
