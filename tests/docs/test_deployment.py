"""docs/deployment.md: its commands are those that `make serve` gives, its settings exist, its figures are the code's.

The configurations of the proxies are run by tests/acceptance/test_18_proxy.py.
"""

import importlib.util
import re
import shlex

from django.conf import settings

from asr_project.serve import topology
from tests.docs.pages import blocks, read

PAGE = read("docs/deployment.md")


def flags_of(words: list[str]) -> set[str]:
    """Each flag with its value; which address and port is everybody's own choice."""
    text = " ".join(words[words.index("asr_project.asgi:application") + 1 :])
    flags = {" ".join(flag.split()) for flag in re.findall(r"--\S+(?: (?!--)\S+)?", text)}
    return {flag for flag in flags if not flag.startswith(("--host ", "--port "))}


def test_the_unit_runs_a_web_process_as_make_serve_does() -> None:
    unit = blocks(PAGE, "ini")[0].replace("\\\n", " ")
    command = re.search(r"^ExecStart=(.+)$", unit, flags=re.MULTILINE)
    assert command is not None

    assert flags_of(shlex.split(command[1])) == flags_of(list(topology.web({}, "127.0.0.1", 8000).command))


def test_the_unit_waits_longer_for_the_end_than_the_server_does() -> None:
    unit = blocks(PAGE, "ini")[0]
    stop_s = re.search(r"TimeoutStopSec=(\d+)", unit)
    grace_s = re.search(r"--timeout-graceful-shutdown (\d+)", unit)
    assert stop_s is not None
    assert grace_s is not None

    assert int(stop_s[1]) > int(grace_s[1])


def test_every_setting_of_the_example_is_documented() -> None:
    names = {line.partition("=")[0].removesuffix("_FILE") for line in blocks(PAGE, "sh")[0].splitlines()}

    assert names
    assert names <= set(re.findall(r"^\| `([A-Z_]+)`", read("docs/settings.md"), flags=re.MULTILINE))


def test_every_module_that_is_run_exists() -> None:
    modules = re.findall(r"python -m ([\w.]+)", PAGE)

    assert "benchmarks.silence" in modules
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


def test_the_number_of_connections_is_what_the_default_comes_to() -> None:
    per_process = settings.HARK_HTTP_THREADS + 4

    assert f"default of {settings.HARK_HTTP_THREADS} threads, a worker and beat need {2 * per_process + 11} in all" in " ".join(
        PAGE.split()
    )
