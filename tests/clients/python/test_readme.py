"""clients/python/README.md and docs/clients.md: commands can be given, programs run, tables are complete."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import hark
from hark.cli.arguments import parser
from hark.events import Event
from tests.clients.python.test_command_line import server_in_thread
from tests.clients.python.test_pure_parts import wav
from tests.docs.pages import PROJECT_DIR, blocks, read

README = read("clients/python/README.md")
CLIENTS = read("docs/clients.md")
SOURCES = list((PROJECT_DIR / "clients/python/src/hark").rglob("*.py"))


def commands() -> list[str]:
    lines = [line for page in (README, CLIENTS) for block in blocks(page, "sh") for line in block.splitlines()]
    return [call.split("/")[-1] for line in lines for call in line.split(" | ") if re.match(r"(\S*/)?hark ", call)]


def test_there_are_commands_to_look_at() -> None:
    assert len(commands()) > 6


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(command: str) -> None:
    assert parser({}).parse_args(shlex.split(command)[1:]).command in {"transcribe", "tail", "sessions"}


@pytest.mark.parametrize("program", [*blocks(README, "python"), *blocks(CLIENTS, "python")])
def test_every_program_runs(program: str, tmp_path: Path) -> None:
    samples = bytes(64_000)
    (tmp_path / "talk.raw").write_bytes(samples)
    for name in ("talk.wav", "recording.wav"):
        (tmp_path / name).write_bytes(wav(1, 16, samples, rate_hz=16_000))
    with server_in_thread() as server:
        (tmp_path / "program.py").write_text(program.replace("http://127.0.0.1:8000", server.url), encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "program.py"], cwd=tmp_path, env={"PYTHONPATH": str(Path(hark.__file__).parent.parent)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert "second 1" in ended.stdout


def listed(heading: str) -> set[str]:
    """Names in the first column of the table under `heading`."""
    rows = README.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_event_is_listed() -> None:
    assert listed("event") == {kind.__name__ for kind in Event.__subclasses__()}


def codes() -> set[str]:
    """Every code that the package itself gives to an error: the first argument of a HarkError, where it is written out."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "HarkError" and node.args:
                found |= {leaf.value for leaf in ast.walk(node.args[0]) if isinstance(leaf, ast.Constant)}
    return {str(code) for code in found}


def test_every_error_of_the_package_is_listed() -> None:
    assert codes() | {"going_away", "ended_early"} == listed("code")


def test_every_exit_code_is_listed_in_the_readme_and_the_help() -> None:
    rows = README.split("| exit code |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]

    assert [row.split("|")[1].strip() for row in rows] == ["0", "1", "2", "3", "130"]
    assert re.findall(r"^  (\d+)  ", parser({}).format_help(), flags=re.MULTILINE) == ["0", "1", "2", "3", "130"]
