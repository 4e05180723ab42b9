"""The `hark` command line in this process, against a scripted server in a thread."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import hark
from hark.cli import sources, tailing
from hark.cli.arguments import parser
from hark.cli.listing import HEAD, row, table
from hark.cli.main import main
from hark.cli.status import StatusLine
from hark.errors import HarkError
from hark.rest import RestClient
from tests.clients.python.scripted_server import SECOND, Script, ScriptedServer, scripted_server

KEY = "hark_abcdefgh_do-not-show"
SESSION = "7d1f6a52-3c0e-4a55-9b55-1f6f1f0c8a11"


@contextmanager
def server_in_thread(script: Script | None = None) -> Iterator[ScriptedServer]:
    loop, is_up = asyncio.new_event_loop(), threading.Event()
    found: list[ScriptedServer] = []
    stop = asyncio.Event()

    async def serve_until_stopped() -> None:
        async with scripted_server(script) as server:
            found.append(server)
            is_up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve_until_stopped()))
    thread.start()
    try:
        assert is_up.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def two_seconds(tmp_path: Path) -> str:
    path = tmp_path / "two.raw"
    path.write_bytes(bytes(2 * SECOND))
    return str(path)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HARK_URL", "HARK_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_text_is_one_final_a_line(two_seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with server_in_thread() as server:
        assert main(["transcribe", "--raw", two_seconds, "--url", server.url, "--language", "en,de", "--hotword", "Kalk"]) == 0

    printed = capsys.readouterr()
    assert printed.out == "second 0\nsecond 1\n"
    assert printed.err == ""
    assert server.hellos[0]["language"] == ["en", "de"]
    assert server.hellos[0]["hotwords"] == ["Kalk"]


def test_json_is_one_event_a_line(two_seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with server_in_thread() as server:
        assert main(["transcribe", "--raw", two_seconds, "--url", server.url, "--format", "json"]) == 0

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["type"] for event in events] == ["ready", "final", "final", "done"]


@pytest.mark.parametrize(
    ("name", "begins"),
    [("srt", "1\n00:00:00,000 --> 00:00:01,000\nsecond 0\n"), ("vtt", "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000")],
)
def test_captions_are_written_while_it_is_spoken(
    name: str, begins: str, two_seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server_in_thread() as server:
        assert main(["transcribe", "--raw", two_seconds, "--url", server.url, "--format", name]) == 0

    assert capsys.readouterr().out.startswith(begins)


def test_missing_audio_is_exit_code_three(two_seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with server_in_thread(Script(gap_in_done_ms=1_500)) as server:
        assert main(["transcribe", "--raw", two_seconds, "--url", server.url]) == 3

    assert "1.5 s of audio are missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "words"), [(401, "The key comes from --key or HARK_API_KEY"), (403, "HARK_API_KEY"), (404, "Check the path")]
)
def test_a_refusal_names_what_to_do_and_never_the_key(
    status: int, words: str, two_seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server_in_thread(Script(statuses=[status])) as server:
        assert main(["transcribe", "--raw", two_seconds, "--url", server.url, "--key", KEY]) == 1

    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert "do-not-show" not in printed.out + printed.err


def test_nobody_there_is_one_sentence(two_seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", "--raw", two_seconds, "--url", "ws://127.0.0.1:9/stream"]) == 1

    complaint = capsys.readouterr().err
    assert complaint.startswith("hark: No Hark server answers at ws://127.0.0.1:9/stream")
    assert complaint.count("\n") == 1


def test_a_full_server_says_when_to_come_back(two_seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    full = ({"code": "server_full", "message": "All taken.", "retryable": True, "retry_after_s": 90}, 1013)
    with server_in_thread(Script(answers=[full] * 3)) as server:
        assert main(["transcribe", "--raw", two_seconds, "--url", server.url, "--wait", "1"]) == 1

    assert capsys.readouterr().err == "hark: All taken. Trying again in 90 s may help.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["sing"], ["transcribe"], ["transcribe", "x.wav", "--format", "doc"], ["tail", "last"], ["sessions", "--limit", "0"],
        ["transcribe", "x.wav", "--url", "ftp://x"], ["transcribe", "x.wav", "--fast", "--realtime"],
    ],
)  # fmt: skip
def test_a_command_line_that_makes_no_sense_is_exit_code_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2


def test_a_file_that_is_not_there_or_no_audio_is_exit_code_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "letter.txt"
    text.write_text("Dear Sir or Madam,")

    assert main(["transcribe", str(tmp_path / "nothing.wav")]) == 2
    assert main(["transcribe", str(text), "--decode", "server"]) == 2
    assert main(["transcribe", "x.raw", "--raw", "--rate", "96000"]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_address_and_key_come_from_the_environment() -> None:
    chosen = parser({"HARK_URL": "http://a, https://b", "HARK_API_KEY": KEY}).parse_args(["sessions"])

    assert chosen.default_urls == ["ws://a/stream", "wss://b/stream"]
    assert chosen.default_key == KEY


def test_no_help_shows_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["transcribe"], ["tail"], ["sessions"]):
        with pytest.raises(SystemExit):
            parser({"HARK_API_KEY": KEY}).parse_args([*command, "--help"])

    assert "do-not-show" not in capsys.readouterr().out


def test_ctrl_c_ends_politely_and_prints_what_was_said() -> None:
    with server_in_thread() as server:
        program = start("transcribe", "-", "--url", server.url)
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(bytes(2 * SECOND + SECOND // 2))
        program.stdin.flush()  # and nothing more, but it stays open
        lines = [program.stdout.readline(), program.stdout.readline()]
        program.send_signal(signal.SIGINT)
        lines.append(program.stdout.readline())
        assert program.wait(20) == 0
        program.stdin.close()
        program.stdout.close()

    assert lines == [b"second 0\n", b"second 1\n", b"second 2\n"]


def test_a_second_ctrl_c_ends_at_once() -> None:
    with server_in_thread(Script(never_done=True)) as server:
        program = start("transcribe", "-", "--url", server.url)
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(bytes(SECOND))
        program.stdin.flush()
        assert program.stdout.readline() == b"second 0\n"
        program.send_signal(signal.SIGINT)
        while server.sessions["session-0"].total is None:
            assert program.poll() is None
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 130
        program.stdin.close()
        program.stdout.close()


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": str(Path(hark.__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-m", "hark", *arguments], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_standard_error_shows_progress_on_a_terminal_only() -> None:
    shown: list[str] = []
    terminal = SimpleNamespace(isatty=lambda: True, write=shown.append, flush=lambda: None)
    pipe = SimpleNamespace(isatty=lambda: False, write=shown.append, flush=lambda: None)

    StatusLine(pipe).show("[1.0 s sent]")  # type: ignore[arg-type]  # as much of a file as is used
    assert shown == []
    StatusLine(terminal).show("[1.0 s sent]")  # type: ignore[arg-type]
    assert shown[0].endswith("[1.0 s sent]")


async def test_the_microphone_is_sent_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = [b"\x01\x00" * 1600, b"\x02\x00" * 1600]

    class RawInputStream:
        def __init__(self, *, callback: object, samplerate: int, channels: int, dtype: str, blocksize: int) -> None:
            assert (samplerate, channels, dtype, blocksize) == (16_000, 1, "int16", 1_600)
            self.callback = callback

        def __enter__(self) -> None:
            for block in heard:
                self.callback(memoryview(block), 1600, None, None)  # type: ignore[operator]

        def __exit__(self, *_reason: object) -> None: ...

    module = SimpleNamespace(RawInputStream=RawInputStream, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    source = sources.open_source(parser({}).parse_args(["transcribe", "mic"]))

    assert source.when_full == "drop_oldest"
    assert [await anext(source.pieces), await anext(source.pieces)] == heard


def test_a_microphone_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    assert main(["transcribe", "mic"]) == 2
    assert "pip install 'hark-client[mic]'" in capsys.readouterr().err


def stored(*texts: str, status: str = "live") -> dict[str, object]:
    segments = [{"segment": number, "text": text, "start_ms": 0, "end_ms": 1} for number, text in enumerate(texts)]
    return {"status": status, "error_code": "", "gap_ms": 0, "segments": segments}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object] | HarkError | None]:
    """What the REST API answers, one after the other; None: not changed."""
    given: list[dict[str, object] | HarkError | None] = []

    def answer(_client: RestClient, session_id: str) -> dict[str, object] | None:
        assert session_id == SESSION
        next_one = given.pop(0)
        if isinstance(next_one, HarkError):
            raise next_one
        return next_one

    monkeypatch.setattr(RestClient, "session", answer)
    monkeypatch.setattr(tailing, "ASK_EVERY_S", 0.0)
    return given


@pytest.mark.parametrize(("status", "code"), [("complete", 0), ("incomplete", 3), ("failed", 1)])
def test_tail_prints_each_final_once_until_the_session_is_over(
    answers: list[object], status: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    away = HarkError("unreachable", "gone", retryable=True)
    answers += [stored("one"), None, away, stored("one", "two"), stored("one", "two", "", "four", status=status)]

    assert main(["tail", SESSION]) == code
    assert capsys.readouterr().out == "one\ntwo\nfour\n"


def test_tail_of_a_server_that_never_answered_ends_at_once(answers: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    answers += [HarkError("unreachable", "Nobody is there.", retryable=True)]

    assert main(["tail", SESSION]) == 1
    assert "Nobody is there." in capsys.readouterr().err


def test_sessions_are_a_table() -> None:
    session = {
        "id": SESSION, "started_at": "2026-01-31T09:00:00.123Z", "status": "complete", "received_ms": 3_725_000,
        "language": "en", "model": "whisper-base", "num_segments": 12,
    }  # fmt: skip

    lines = table([HEAD, row(session)]).splitlines()

    assert lines[0].split() == list(HEAD)
    assert lines[1].split() == [SESSION, "2026-01-31", "09:00:00", "complete", "1:02:05", "en", "whisper-base", "12"]
