"""Acceptance check 25: what was said, and what lets people in, is where it belongs and nowhere else.

A phrase is spoken, another is sent as text, and every kind of credential is used, good and bad, while all processes log all
they have to say. Then every place is searched where it could have been left.
"""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from zipfile import ZipFile

import numpy as np
import psycopg
import pytest
import redis
import soundfile
from psycopg import sql
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from asr_project.serve import topology
from asr_project.serve.child import ChildSpec
from asr_project.serve.config import PROJECT_DIR
from tests.acceptance.people import Person, make_people, request
from tests.acceptance.services import own_valkey
from tests.acceptance.sessions import wait_until_over
from tests.inference.worker import say, wait_until
from tests.stack import HOST, Stack, free_port, running_stack
from tests.stream_client import StreamClient

pytestmark = pytest.mark.integration
SPOKEN = "zulu yankee xray whiskey victor uniform"
WRITTEN = "canary-9f31c7"
AUDIO = say(SPOKEN, silence_s=1.0)
SPOKEN_ANYHOW = re.compile(rb"zulu(?:\W|%20)+yankee", re.IGNORECASE)  # partials and addresses too
WORD_SAMPLES = slice(1_000, 1_400)
FORGOTTEN_WITHIN_S = 60.0
AGE = "UPDATE transcription_session SET started_at = started_at - interval '25 h', ended_at = ended_at - interval '25 h'"
MakeWeb = Callable[[dict[str, str], str, int], ChildSpec]


@dataclass
class Visit:
    """What somebody has used the server with."""

    person: Person
    secrets: list[str] = field(default_factory=list)


def talkative(make_web: MakeWeb) -> MakeWeb:
    """`topology.web` with uvicorn's own levels turned up and its access log on."""

    def web(environment: dict[str, str], host: str, port: int) -> ChildSpec:
        spec = make_web(environment, host, port)
        command = [part for part in spec.command if part != "--no-access-log"]
        command[command.index("--log-level") + 1] = "trace"
        return replace(spec, command=tuple(command))

    return web


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every process at its most talkative, temporary files in a folder of their own; Daphne beside uvicorn."""
    folder = tmp_path_factory.mktemp("loud")
    temporary = folder / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch, own_valkey() as valkey:
        patch.setattr(topology, "web", talkative(topology.web))
        with running_stack(
            folder / "stack",
            HARK_MODELS="fake",
            HARK_ANONYMOUS="off",
            HARK_LOG_LEVEL="DEBUG",
            HARK_LOG_FORMAT="json",  # Daphne, which logs the same way, writes text
            HARK_AUDIO_TTL_DAYS="7",  # whoever asks for it has audio stored; at first nobody does
            REDIS_URL=valkey.url,
            TMPDIR=str(temporary),
        ) as stack:
            yield stack


@pytest.fixture(scope="module")
def daphne_port(loud: Stack) -> int:
    beside = Stack(loud.folder, loud.environment | {"HARK_LOG_FORMAT": "text"}, free_port())
    beside.processes = loud.processes  # one stop for all
    flags = ["-v", "3", "--access-log", "-", "-b", HOST, "-p", str(beside.port)]
    command = (sys.executable, "-m", "daphne", *flags, "asr_project.asgi:application")
    beside.spawn(ChildSpec(name="daphne", command=command, environment=beside.environment, folder=PROJECT_DIR, stop_stage=1))
    beside.wait_until_ready()
    return beside.port


@pytest.fixture(scope="module")
def visit(loud: Stack, daphne_port: int) -> Visit:
    """Alice has used both servers."""
    (alice,) = make_people(loud, "alice")
    visit = Visit(alice, list(alice.secrets))
    for port in (loud.port, daphne_port):
        asyncio.run(use_everything(alice, port, visit))
        browse(alice, port)
    return visit


async def use_everything(person: Person, port: int, visit: Visit) -> None:
    """Every credential, a session with the phrase, and messages that cannot be used."""
    url = f"ws://{HOST}:{port}/stream"
    ticket, unspent = person.ticket(port), person.ticket(port)
    visit.secrets += [ticket, unspent]
    async with connect(url, additional_headers=person.bearer, max_size=None) as socket:
        await speak(StreamClient(socket), visit)
    async with connect(url, subprotocols=[Subprotocol("token"), Subprotocol(person.key)], max_size=None) as socket:
        await socket.send(f'{{"type": "start", "{WRITTEN}": "{SPOKEN}"}}')
    async with connect(f"{url}?ticket={ticket}", max_size=None) as socket:
        await socket.send(f"no JSON: {SPOKEN} {WRITTEN}")
    async with connect(url, additional_headers=person.cookie) as socket:
        await socket.send(f'{{"type": "start", "language": "{WRITTEN}", "model": "{SPOKEN}"}}')
    for headers, query in (
        ({"Authorization": f"Bearer {person.revoked_key}"}, ""),
        ({"Authorization": f"Bearer {person.expired_key}"}, ""),
        ({}, f"?ticket={ticket}"),
        (person.bearer | {"Origin": "https://evil.example"}, ""),
    ):
        with pytest.raises(InvalidStatus):
            await connect(f"{url}{query}", additional_headers=headers)


async def speak(client: StreamClient, visit: Visit) -> None:
    await client.tell("start", reliable=True, metadata={"note": WRITTEN}, hotwords=[WRITTEN])
    ready = await client.expect("ready")
    visit.secrets.append(ready["resume_token"])
    await client.socket.send(bytes(8) + AUDIO)
    await client.finish()
    assert client.words == SPOKEN.split()


def browse(person: Person, port: int) -> None:
    """Pages and REST, with the phrase in searches, and answers of every kind."""
    words = quote_plus(SPOKEN)
    for headers in (person.bearer, person.cookie, {}):
        for path in (f"/api/v1/sessions/?q={words}", f"/api/v1/sessions/?status={WRITTEN}", f"/history/?q={words}"):
            request(port, "GET", path, headers)
        request(port, "GET", f"/nothing/{WRITTEN[:6]}?ticket={person.session_key}&q={words}", headers)
        request(port, "POST", f"/history/?q={words}", headers)


# --- where it could have been left -----------------------------------------------------------------------------------------


def files_of(stack: Stack) -> dict[str, bytes]:
    """Logs, the data folder and temporary files."""
    paths = [path for path in stack.folder.parent.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in paths}


def valkey_content(url: str) -> dict[str, bytes]:
    """Every key with what it holds; one that goes while the others are read has left nothing."""
    readers: dict[bytes, Callable[[Any, bytes], object]] = {
        b"string": lambda client, key: client.get(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"hash": lambda client, key: client.hgetall(key),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda client, key: client.xrange(key),
        b"none": lambda _client, _key: "gone since it was listed",
    }
    with redis.Redis.from_url(url) as client:
        return {f"valkey {key!r}": repr(readers[client.type(key)](client, key)).encode() for key in client.scan_iter()}


def database_content(url: str) -> dict[str, bytes]:
    """Every row of every table, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            f"table {name}": "\n".join(
                row for (row,) in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
            ).encode()
            for (name,) in tables
        }


def assert_nothing_said(places: dict[str, bytes]) -> None:
    found = [name for name, content in places.items() if SPOKEN_ANYHOW.search(content) or WRITTEN.encode() in content]
    assert found == []


def assert_no_secret(places: dict[str, bytes], secrets: list[str]) -> None:
    found = [(name, secret) for name, content in places.items() for secret in secrets if secret.encode() in content]
    assert found == []


def assert_no_audio(places: dict[str, bytes]) -> None:
    """Neither as it came nor as it is worked with."""
    samples = np.frombuffer(AUDIO, dtype="<i2")[WORD_SAMPLES]
    forms = (samples.tobytes(), (samples / np.float32(32768)).astype("<f4").tobytes())
    assert [name for name, content in places.items() if any(form in content for form in forms)] == []


def test_logs_at_debug_level_hold_neither_words_nor_credentials(loud: Stack, visit: Visit) -> None:
    logs = {name: content for name, content in files_of(loud).items() if name.endswith(".log")}

    assert {Path(name).stem for name in logs} >= {"web", "daphne", "inference-0"}
    assert b"DEBUG" in b"".join(logs.values()), "the processes are not at their most talkative"
    assert_nothing_said(logs)
    assert_no_secret(logs, visit.secrets)


def test_every_line_of_the_log_can_be_collected_and_says_which_session_it_is_about(loud: Stack, visit: Visit) -> None:
    lines = [line for name in ("web", "inference-0") for line in loud.log_of(name).read_text().splitlines()]
    records = [json.loads(line) for line in lines]

    assert all({"time", "level", "logger", "node", "pid", "message"} <= set(record) for record in records)
    over = [record for record in records if " is over: " in record["message"]]
    assert len(over) >= 2
    assert all(record["session"] in record["message"] for record in over)


def test_no_audio_and_no_word_is_left_in_files(loud: Stack, visit: Visit) -> None:
    files = files_of(loud)

    assert_no_audio(files)
    assert_nothing_said(files)
    assert_no_secret(files, visit.secrets)


def test_valkey_holds_neither_words_nor_credentials(loud: Stack, visit: Visit) -> None:
    content = valkey_content(loud.environment["REDIS_URL"])

    assert_nothing_said(content)
    assert_no_secret(content, visit.secrets)


def test_the_database_holds_digests_of_credentials_and_no_audio(loud: Stack, visit: Visit) -> None:
    content = database_content(loud.database_url)
    bearers = [secret for secret in visit.secrets if len(secret) >= 32 and secret not in content["table django_session"].decode()]

    assert len(bearers) >= 8
    assert_no_secret(content, bearers)
    assert_no_audio(content)


def test_nothing_that_was_said_is_left_in_the_database_after_its_sessions_are_deleted(loud: Stack, visit: Visit) -> None:
    """Deleted by hand."""
    _status, listed = request(loud.port, "GET", "/api/v1/sessions/", visit.person.bearer)
    sessions = [session["id"] for session in json.loads(listed)["results"]]
    assert len(sessions) >= 2
    with pytest.raises(AssertionError):
        assert_nothing_said(database_content(loud.database_url))

    for session in sessions:
        wait_until_over(loud, session, 20.0)
        status, body = request(loud.port, "DELETE", f"/api/v1/sessions/{session}/", visit.person.bearer)
        assert status == 204, body

    assert_nothing_said(database_content(loud.database_url))


# --- what is stored on purpose is gone after its time, or when its owner says so --------------------------------------------


def everywhere(stack: Stack) -> dict[str, bytes]:
    """All places together, with what the web process tells of itself."""
    valkey, database = valkey_content(stack.environment["REDIS_URL"]), database_content(stack.database_url)
    return files_of(stack) | valkey | database | {"/metrics": request(stack.port, "GET", "/metrics")[1]}


def audio_of(stack: Stack) -> list[Path]:
    return [path for path in (stack.folder / "var" / "audio").rglob("*") if path.is_file()]


def assert_forgotten(stack: Stack) -> None:
    places = everywhere(stack)
    assert b"hark_segments_total" in places["/metrics"]
    assert_nothing_said(places)
    assert audio_of(stack) == []


def manage(stack: Stack, *arguments: str, **settings: str) -> str:
    """What a command of the operator's says."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=PROJECT_DIR, env=stack.environment | settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def say_for_keeps(client: StreamClient) -> str:
    """The phrase, whose audio is to be stored, and the other one as everything that is text; returns the session."""
    await client.tell("start", reliable=True, store_audio=True, metadata={"note": WRITTEN}, hotwords=[WRITTEN])
    ready = await client.expect("ready")
    assert ready["store_audio"]
    await client.socket.send(bytes(8) + AUDIO)
    await client.expect("final")
    return str(ready["session"])


async def correct(person: Person, session: str) -> None:
    body = json.dumps({"text": f"{SPOKEN} {WRITTEN}"}).encode()
    address = f"/api/v1/sessions/{session}/segments/0/correction/"
    headers = person.bearer | {"Content-Type": "application/json"}
    status, answer = await asyncio.to_thread(request, person.stack.port, "POST", address, headers, body)
    assert status == 200, answer


async def stored_session(person: Person) -> str:
    """One with a correction and a file, that has come to its end."""
    async with connect(person.stack.ws_url, additional_headers=person.bearer, max_size=None) as socket:
        client = StreamClient(socket)
        session = await say_for_keeps(client)
        await correct(person, session)
        await client.finish()
    wait_until_over(person.stack, session, 20.0)
    wait_until(lambda: [path.suffix for path in audio_of(person.stack)] == [".flac"])
    return session


def test_after_its_time_and_one_sweep_nothing_is_left_anywhere_of_what_was_said(loud: Stack, visit: Visit) -> None:
    session = asyncio.run(stored_session(visit.person))
    (file,) = audio_of(loud)
    status, archive = request(loud.port, "GET", "/api/v1/me/export/", visit.person.bearer)
    assert (status, np.array_equal(soundfile.read(file, dtype="int16")[0], np.frombuffer(AUDIO, dtype="<i2"))) == (200, True)
    with ZipFile(io.BytesIO(archive)) as exported:
        assert SPOKEN.encode() in exported.read(f"sessions/{session}.json")
        assert exported.read(f"sessions/{file.name}") == file.read_bytes()

    with pytest.raises(AssertionError):  # kept until then
        assert_forgotten(loud)
    assert manage(loud, "privacy", "sweep", HARK_RETENTION_DAYS="1").startswith("0 sessions, 0 stretches")
    with psycopg.connect(loud.database_url) as connection:
        connection.execute(AGE)
    assert manage(loud, "privacy", "sweep", HARK_RETENTION_DAYS="1").startswith("1 sessions, 0 stretches")

    assert_forgotten(loud)
    assert_no_secret(database_content(loud.database_url), [session])  # logs may name it


async def forgotten_while_speaking(person: Person) -> tuple[str, float]:
    """How the session ended in which somebody wants all forgotten, and how long it took until it was."""
    async with connect(person.stack.ws_url, additional_headers=person.bearer, max_size=None) as socket:
        client = StreamClient(socket)
        await correct(person, await say_for_keeps(client))
        began_s = time.monotonic()
        status, _body = await asyncio.to_thread(request, person.stack.port, "DELETE", "/api/v1/me/data/", person.bearer)
        assert status == 202
        await client.socket.send((len(AUDIO) // 2).to_bytes(8, "little") + AUDIO)
        messages = await client.read_all()

    await asyncio.to_thread(wait_until, lambda: is_forgotten(person), FORGOTTEN_WITHIN_S)
    return messages[-1]["code"], time.monotonic() - began_s


def is_forgotten(person: Person) -> bool:
    _status, body = request(person.stack.port, "GET", "/api/v1/me/data/", person.bearer)
    return json.loads(body)["erasure"]["finished_at"] is not None


@pytest.fixture
def helpers(loud: Stack, visit: Visit) -> Iterator[None]:
    """Celery's worker and beat, which do what is not done at once. They have done something when this is here."""
    specs = [topology.worker(loud.environment), topology.beat(loud.environment)]
    processes = [loud.spawn(spec) for spec in specs]
    request(loud.port, "DELETE", "/api/v1/me/data/", visit.person.bearer)
    wait_until(lambda: is_forgotten(visit.person) and b"Writing" in loud.log_of("beat").read_bytes(), 2 * FORGOTTEN_WITHIN_S)
    yield
    for spec, process in zip(specs, processes, strict=True):
        process.kill()
        process.wait()
        del loud.processes[spec.name]


def test_delete_my_data_leaves_nothing_within_a_minute_though_somebody_is_speaking(
    loud: Stack, visit: Visit, helpers: None
) -> None:
    asyncio.run(stored_session(visit.person))
    with pytest.raises(AssertionError):
        assert_forgotten(loud)

    ended_with, took_s = asyncio.run(forgotten_while_speaking(visit.person))

    assert ended_with == "data_erased"
    assert took_s < FORGOTTEN_WITHIN_S
    assert_forgotten(loud)


def test_the_canary_hears_its_clips_through_the_server_and_leaves_nothing_behind(
    loud: Stack, visit: Visit, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "clip.flac", np.frombuffer(AUDIO, dtype="<i2"), 16_000)
    entry = {"file": "clip.flac", "text": f"{SPOKEN} tango", "lang": "en"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(entry), encoding="utf-8")

    said = manage(loud, "canary", HARK_CANARY_DIR=str(tmp_path), HARK_CANARY_URL=loud.ws_url)

    assert re.fullmatch(r"fake \(en\): 1 of 7 words wrong in 1 clips, (text at most \d+ ms|no text) after its end\n", said)
    with psycopg.connect(loud.database_url) as connection:
        assert connection.execute("SELECT num_errors, heard FROM transcription_canaryrun").fetchall() == [(1, SPOKEN)]
        connection.execute("DELETE FROM transcription_canaryrun")  # it may be known what is said in a clip
    assert_forgotten(loud)


@pytest.mark.parametrize(
    "leak", [SPOKEN.encode(), quote_plus(SPOKEN).encode(), b"zulu%20yankee", f"note={WRITTEN}".encode()], ids=ascii
)
def test_a_word_that_is_left_somewhere_would_be_noticed(leak: bytes) -> None:
    with pytest.raises(AssertionError):
        assert_nothing_said({"log": b"before " + leak + b" after"})


def test_a_credential_in_a_log_would_be_noticed(loud: Stack, visit: Visit) -> None:
    """A server whose loggers were left as its makers set them."""
    uvicorns = b'INFO: "WebSocket /stream?ticket=' + visit.secrets[-2].encode() + b'" [accepted]'

    with pytest.raises(AssertionError):
        assert_no_secret({"log": uvicorns}, visit.secrets)


def test_audio_in_a_file_would_be_noticed() -> None:
    floats = (np.frombuffer(AUDIO, dtype="<i2") / np.float32(32768)).astype("<f4").tobytes()

    for content in (AUDIO, floats):
        with pytest.raises(AssertionError):
            assert_no_audio({"file": os.urandom(99) + content})
