"""Without a network: first start, transcription, restart and transcription again; and nobody tries to reach anything."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.cut_off import NOT_PERMITTED, NOTE_IN, WATCHING
from tests.conftest import PROJECT_DIR

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

HOOK = "from tests.acceptance.cut_off import watch\nwatch()\n"
OUR_OWN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "SECRET_KEY", "HARK_VAR_DIR")
"""What the suite sets for itself; the server is to start as on a new machine."""
WATCHED = ("asr_project.serve", "inference", "uvicorn", "celery", "asr_project.serve.prepare")


@dataclass(frozen=True)
class Cut:
    """`notes`: what the processes of the command wanted from outside, and that they were watched."""

    output: list[str]
    notes: list[str]

    @property
    def wanted(self) -> list[str]:
        return [note for note in self.notes if not note.startswith(WATCHING)]

    def assert_watched(self, module: str) -> None:
        assert any(f"-m {module} " in f"{note} " for note in self.notes if note.startswith(WATCHING)), module


def run_cut_off(folder: Path, *command: str) -> Cut:
    """Run a Python command without a network. Where that may not be taken away (only root on Linux may), it is a skip."""
    if sys.platform != "linux":
        pytest.skip("only Linux has network namespaces")
    (folder / "sitecustomize.py").write_text(HOOK)
    note = folder / "outbound"
    environment = {name: value for name, value in os.environ.items() if name not in OUR_OWN}
    environment |= {NOTE_IN: str(note), "PYTHONPATH": f"{folder}{os.pathsep}{PROJECT_DIR}"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.cut_off", sys.executable, *command],
        env=environment, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=380,
    )  # fmt: skip
    if done.returncode == NOT_PERMITTED:
        pytest.skip("only root may take the network away")
    assert done.returncode == 0, done.stderr[-4_000:]
    return Cut(done.stdout.splitlines(), note.read_text().splitlines())


def assert_nobody_wanted_out(cut: Cut) -> None:
    assert cut.wanted == []


def test_a_first_start_a_transcription_and_a_restart_need_no_network_and_want_none(tmp_path: Path) -> None:
    cut = run_cut_off(tmp_path, "-m", "tests.acceptance.air_gap_scenario", str(tmp_path / "var"))

    assert len(cut.output) == 2
    assert cut.output[0] == cut.output[1] != ""
    for module in WATCHED:
        cut.assert_watched(module)
    assert_nobody_wanted_out(cut)


@pytest.mark.parametrize(
    "attempt", ["socket.getaddrinfo('hub.example', 443)", "socket.create_connection(('192.0.2.1', 443), timeout=5)"]
)
def test_somebody_who_wants_out_would_be_noticed(tmp_path: Path, attempt: str) -> None:
    cut = run_cut_off(tmp_path, "-c", f"import contextlib, socket\nwith contextlib.suppress(OSError): {attempt}")

    with pytest.raises(AssertionError):
        assert_nobody_wanted_out(cut)
