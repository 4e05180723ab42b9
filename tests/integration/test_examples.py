"""The programs of examples/ and the one of README.md, against a whole server with real weights."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.docs.pages import PROJECT_DIR, blocks, read

CLIP = "arctic-axb-a0004.flac"
HEARD = "glad to see you again"

pytestmark = pytest.mark.integration


@pytest.fixture
def recording(speech_dir: Path, tmp_path: Path) -> Path:
    """A sentence as a 16-bit WAV file at 16 kHz."""
    samples, rate_hz = soundfile.read(speech_dir / CLIP, dtype="int16")
    path = tmp_path / "recording.wav"
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """The stream of the server under test."""
    try:
        server = request.getfixturevalue("hark_server")
    except pytest.FixtureLookupError:
        pytest.skip("no server is started for these tests")
    return str(server.http_url).replace("http", "ws", 1) + "/stream"


def run(*command: str | Path) -> str:
    """What a program prints; it must end well within a minute."""
    ended = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_bare_python_client_prints_what_was_said(address: str, recording: Path) -> None:
    printed = run(sys.executable, "examples/bare_client.py", recording, address)

    assert re.search(f"^partial .*\n(.*\n)*final .*{HEARD}", printed, flags=re.MULTILINE)
    assert printed.splitlines()[-1].strip() == "done"


def test_the_bare_javascript_client_prints_what_was_said(address: str, recording: Path) -> None:
    node = shutil.which("node")
    if node is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("Node.js is not installed")
    printed = run(node, "--no-warnings", "--experimental-websocket", "examples/bare_client.mjs", recording, address)

    assert re.search(f"^partial .*\n(.*\n)*final .*{HEARD}", printed, flags=re.MULTILINE)
    assert printed.splitlines()[-1].strip() == "done"


def test_the_program_of_the_readme_prints_the_finals(address: str, recording: Path, tmp_path: Path) -> None:
    (program,) = blocks(read("README.md"), "python")
    assert "ws://127.0.0.1:8000/stream" in program
    script = tmp_path / "readme.py"
    script.write_text(program.replace("ws://127.0.0.1:8000/stream", address), encoding="utf-8")

    assert HEARD in run(sys.executable, script, recording)
