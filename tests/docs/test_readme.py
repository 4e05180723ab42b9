"""README.md and CONTRIBUTING.md: every command that they show can be given."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.docs.pages import PROJECT_DIR, blocks, inline_code, read

PAGES = ("README.md", "CONTRIBUTING.md")
COMMANDS = [line for page in PAGES for block in blocks(read(page), "sh") for line in block.splitlines() if line]
MENTIONS = [code for page in PAGES for code in inline_code(read(page))]
TOKEN_OF_A_PATH = re.compile(r"(?:\.venv/bin/\w+|[\w.-]+(?:/[\w.-]+)*\.(?:py|mjs|md|toml|txt|js)|(?:[\w.-]+/)+)")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), flags=re.MULTILINE))


def make_calls(texts: list[str]) -> list[list[str]]:
    """Arguments of every `make …` in commands or inline code."""
    return [shlex.split(call)[1:] for text in texts for call in text.split(" && ") if call.startswith("make ")]


def test_the_server_starts_with_two_commands() -> None:
    first = blocks(read("README.md"), "sh")[0].splitlines()

    assert len(first) == 2
    assert first[0].startswith("git clone ")
    assert first[1] == "make serve"


def test_every_make_target_exists() -> None:
    wanted = {call[0] for call in make_calls([*COMMANDS, *MENTIONS])}

    assert wanted >= {"serve", "test", "check", "manage", "install-dev"}
    assert wanted <= make_targets()


def test_every_django_command_exists() -> None:
    given = [argument.removeprefix("ARGS=") for call in make_calls([*COMMANDS, *MENTIONS]) for argument in call[1:]]
    names = {arguments.split()[0] for arguments in given if "=" not in arguments}

    assert "protocol_schema" in names
    assert names <= set(get_commands())


@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith(("git ", "make "))])
def test_every_program_and_file_of_a_command_exists(command: str) -> None:
    paths = [word for word in shlex.split(command) if TOKEN_OF_A_PATH.fullmatch(word)]

    assert paths
    assert [path for path in paths if not (PROJECT_DIR / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    generic = {"docs/decisions/NNNN-title.md"}
    named = {word for code in inline_code(read(page)) for word in code.split() if "/" in word and TOKEN_OF_A_PATH.fullmatch(word)}

    assert [path for path in sorted(named - generic) if not (PROJECT_DIR / path).exists()] == []


@pytest.mark.parametrize(
    "program", [*blocks(read("README.md"), "python"), read("examples/bare_client.py")], ids=["readme", "bare"]
)
def test_a_python_example_is_python(program: str) -> None:
    compile(program, "example", "exec")


def test_the_python_example_says_in_a_line_that_no_server_answers(tmp_path: Path) -> None:
    recording = tmp_path / "silence.raw"
    recording.write_bytes(bytes(3200))
    ended = subprocess.run(
        [sys.executable, "examples/bare_client.py", recording, "ws://127.0.0.1:9/stream"],
        cwd=PROJECT_DIR, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "ws://127.0.0.1:9/stream" in ended.stderr


def test_contributing_stays_short() -> None:
    assert len(read("CONTRIBUTING.md").splitlines()) < 100


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (0, "Starting; data is kept in "),
        (1, "Admin login, shown only this once: user "),
        (2, "ready at "),
        (3, "API docs "),
        (4, "Ctrl-C stops everything."),
    ],
)
def test_the_readme_shows_what_serve_says(line: int, words: str) -> None:
    (shown,) = blocks(read("README.md"), "text")

    assert shown.splitlines()[line].partition(" │ ")[2].startswith(words)
    assert words in read("asr_project/serve/__main__.py")
