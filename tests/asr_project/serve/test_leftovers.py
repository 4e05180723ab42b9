"""What an earlier run left behind: the lock and the record of children."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from asr_project.serve.child import ChildSpec
from asr_project.serve.errors import CannotStart
from asr_project.serve.leftovers import ChildRecord, lock_folder


def spec(folder: Path) -> ChildSpec:
    return ChildSpec(name="web", command=("web",), environment={}, folder=folder, stop_stage=0, stop_signal=signal.SIGTERM)


def test_two_supervisors_cannot_share_a_folder(tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path, own_pid=4711),
        pytest.raises(CannotStart, match=r"Hark already runs on .*\(process 4711\): stop it first"),
    ):
        lock_folder(tmp_path, own_pid=4712)


def test_the_lock_of_a_dead_supervisor_does_not_hold(tmp_path: Path) -> None:
    lock_folder(tmp_path, own_pid=4711).close()
    with lock_folder(tmp_path, own_pid=12):
        assert (tmp_path / "serve.lock").read_text() == "12"


def test_a_child_that_outlived_its_supervisor_is_ended(tmp_path: Path) -> None:
    record = ChildRecord(tmp_path / "children")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as survivor:
        record.add(spec(tmp_path), survivor.pid)
        assert record.end_survivors() == ["web"]
        assert not psutil.pid_exists(survivor.pid)
    assert record.end_survivors() == []


def test_a_stranger_with_the_number_of_a_former_child_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        created_s = psutil.Process(stranger.pid).create_time() - 100
        line = f'{{"name": "web", "pid": {stranger.pid}, "created_s": {created_s}, "stop_signal": 15}}\n'
        (tmp_path / "children").write_text(line)
        assert ChildRecord(tmp_path / "children").end_survivors() == []
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("text", ["", '{"name": "web", "pi', "[]\n", '{"name": "web"}\n'])
def test_a_record_that_a_crash_cut_short_is_no_obstacle(tmp_path: Path, text: str) -> None:
    (tmp_path / "children").write_text(text)
    assert ChildRecord(tmp_path / "children").end_survivors() == []
