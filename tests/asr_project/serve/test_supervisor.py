"""The real supervisor with small Python children: crash, restart, order and manner of stopping."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import psutil
import pytest

from asr_project.serve import child as child_module
from asr_project.serve import readiness, topology
from asr_project.serve.child import ChildSpec, StopRequested
from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart, StopServing
from asr_project.serve.supervisor import Supervisor

SLEEP = "import time; time.sleep(60)"
ANNOUNCE_END = """
import pathlib, signal, sys, time
def leave(*_):
    with open("ends", "a") as file:
        file.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
pathlib.Path(sys.argv[1] + ".up").touch()
time.sleep(60)
"""
IGNORE_TERM = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("stubborn.up").touch()
time.sleep(60)
"""
COUNT_RUNS = """
with open("runs", "a") as file:
    file.write("x")
"""


@pytest.fixture
def output() -> StringIO:
    return StringIO()


@pytest.fixture
def supervisor(output: StringIO) -> Iterator[Supervisor]:
    supervisor = Supervisor(Console(output))
    yield supervisor
    supervisor.stop(within_s=1)


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., ChildSpec]:
    """Makes the specification of a Python child that works in the test's folder."""

    def make(name: str, code: str, *, stop_stage: int = 0, grace_s: float = 5) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(sys.executable, "-u", "-c", code, name),
            environment={},
            folder=tmp_path,
            stop_stage=stop_stage,
            grace_s=grace_s,
        )

    return make


def wait_for(supervisor: Supervisor, is_done: Callable[[], bool]) -> None:
    assert supervisor.wait_until(is_done, look_every_s=0.02, within_s=20), "it did not happen within 20 s"


def test_a_child_that_fails_during_the_start_ends_it_with_its_own_last_sentence(
    supervisor: Supervisor, child: Callable[..., ChildSpec]
) -> None:
    supervisor.start(child("inference", "import sys; sys.exit('The weights are missing: run make reinstall.')"))
    with pytest.raises(
        CannotStart, match=r"^inference could not start \(exit code 1\): The weights are missing: run make reinstall\.$"
    ):
        supervisor.serve()


def test_a_program_that_does_not_exist_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    spec = ChildSpec(name="web", command=("/nonexistent/program",), environment={}, folder=tmp_path, stop_stage=0)
    with pytest.raises(CannotStart, match=r"web cannot be run .*/nonexistent/program"):
        supervisor.start(spec)


def test_a_child_killed_by_a_signal_is_started_again_even_during_the_start(
    supervisor: Supervisor, child: Callable[..., ChildSpec], output: StringIO
) -> None:
    supervisor.start(child("worker", SLEEP))
    first_pid = supervisor.pid_of("worker")
    assert first_pid is not None
    os.kill(first_pid, signal.SIGKILL)
    wait_for(supervisor, lambda: supervisor.pid_of("worker") not in {None, first_pid})
    assert "hark        │ worker stopped (killed by SIGKILL); it is started again in 1 s.\n" in output.getvalue()


def test_once_settled_a_child_is_started_again_whatever_ended_it(
    supervisor: Supervisor, child: Callable[..., ChildSpec], tmp_path: Path
) -> None:
    supervisor.settle()
    supervisor.start(child("beat", COUNT_RUNS))
    wait_for(supervisor, lambda: (tmp_path / "runs").exists() and len((tmp_path / "runs").read_text()) == 2)


def test_every_line_carries_the_name_of_who_said_it(
    supervisor: Supervisor, child: Callable[..., ChildSpec], output: StringIO
) -> None:
    supervisor.run_once(child("prepare", "import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr)"))
    assert output.getvalue() == "prepare     │ one\nprepare     │ two\n"


def test_bytes_that_are_no_text_do_not_stop_the_output(supervisor: Supervisor, child: Callable[..., ChildSpec]) -> None:
    assert supervisor.run_once(child("prepare", "import os; os.write(1, b'\\xff\\nlast\\n')")) == "last"


def test_a_task_that_fails_says_why(supervisor: Supervisor, child: Callable[..., ChildSpec]) -> None:
    with pytest.raises(CannotStart, match=r"prepare could not start \(exit code 3\): disk full\."):
        supervisor.run_once(child("prepare", "print('disk full'); raise SystemExit(3)"))


def test_a_request_to_stop_interrupts_a_task(supervisor: Supervisor, child: Callable[..., ChildSpec]) -> None:
    supervisor.events.put(StopRequested("SIGINT"))
    with pytest.raises(StopServing):
        supervisor.run_once(child("prepare", SLEEP))


def test_children_stop_stage_by_stage(supervisor: Supervisor, child: Callable[..., ChildSpec], tmp_path: Path) -> None:
    for name, stage in [("postgres", 4), ("web", 0), ("inference", 2)]:
        supervisor.start(child(name, ANNOUNCE_END, stop_stage=stage))
    wait_for(supervisor, lambda: len(list(tmp_path.glob("*.up"))) == 3)
    supervisor.stop()
    assert (tmp_path / "ends").read_text().split() == ["web", "inference", "postgres"]


def test_a_child_that_will_not_stop_is_killed_and_that_is_said(
    supervisor: Supervisor, child: Callable[..., ChildSpec], tmp_path: Path, output: StringIO
) -> None:
    supervisor.start(child("web", IGNORE_TERM, grace_s=0.2))
    wait_for(supervisor, (tmp_path / "stubborn.up").exists)
    supervisor.stop()
    assert supervisor.names_running() == []
    assert "web did not stop within 1 s and is killed." in output.getvalue()


def test_a_second_request_to_stop_does_not_wait(supervisor: Supervisor, child: Callable[..., ChildSpec], tmp_path: Path) -> None:
    supervisor.start(child("web", IGNORE_TERM, grace_s=25))
    wait_for(supervisor, (tmp_path / "stubborn.up").exists)
    supervisor.events.put(StopRequested("SIGINT"))
    started_s = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - started_s < 5
    assert supervisor.names_running() == []


def test_the_terminals_ctrl_c_does_not_reach_children(supervisor: Supervisor, child: Callable[..., ChildSpec]) -> None:
    supervisor.start(child("web", SLEEP))
    pid = supervisor.pid_of("web")
    assert pid is not None
    assert os.getsid(pid) == pid


def test_what_a_child_has_started_dies_with_it(supervisor: Supervisor, child: Callable[..., ChildSpec]) -> None:
    grandchild = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid)"
    pid = int(supervisor.run_once(child("worker", grandchild)))
    assert_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = f"""
        import sys, time
        from io import StringIO
        from pathlib import Path
        from asr_project.serve.child import ChildSpec
        from asr_project.serve.console import Console
        from asr_project.serve.supervisor import Supervisor
        supervisor = Supervisor(Console(StringIO()))
        command = (sys.executable, "-c", {SLEEP!r})
        supervisor.start(ChildSpec(name="web", command=command, environment={{}}, folder=Path("."), stop_stage=0))
        print(supervisor.pid_of("web"), flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert_gone(pid)


def assert_gone(pid: int) -> None:
    """Gone, or a zombie that whoever adopted it has not reaped yet."""
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} still runs")


def fake_inference(folder: Path, number: int) -> ChildSpec:
    """What `make serve` runs, with the scripted engine."""
    process = topology.InferenceProcess(number, f"unix:{folder / f'{number}.sock'}")
    return topology.inference({**os.environ, "HARK_MODELS": "fake"}, process)


def greets(folder: Path, number: int) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(folder / f"{number}.sock")) == 0 and bool(link.recv(1))


@pytest.fixture
def two_inference_processes(supervisor: Supervisor, tmp_path: Path) -> list[int]:
    """Their process ids; both are listening."""
    for number in range(2):
        supervisor.start(fake_inference(tmp_path, number))
    wait_for(supervisor, lambda: all(greets(tmp_path, number) for number in range(2)))
    return [pid for number in range(2) if (pid := supervisor.pid_of(f"inference-{number}"))]


@pytest.mark.integration
def test_of_two_inference_processes_the_one_that_is_killed_is_started_again(
    supervisor: Supervisor, two_inference_processes: list[int], tmp_path: Path, output: StringIO
) -> None:
    os.kill(two_inference_processes[1], signal.SIGKILL)

    wait_for(supervisor, lambda: supervisor.pid_of("inference-1") not in {None, two_inference_processes[1]})
    wait_for(supervisor, lambda: greets(tmp_path, 1))
    assert supervisor.pid_of("inference-0") == two_inference_processes[0]
    assert "inference-1 stopped (killed by SIGKILL); it is started again in 1 s." in output.getvalue()


@pytest.mark.integration
def test_an_inference_process_that_hangs_is_killed_and_started_again(
    supervisor: Supervisor,
    two_inference_processes: list[int],
    tmp_path: Path,
    output: StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "GREETED_WITHIN_S", 0.3)
    os.kill(two_inference_processes[0], signal.SIGSTOP)

    wait_for(supervisor, lambda: supervisor.pid_of("inference-0") not in {None, two_inference_processes[0]})
    wait_for(supervisor, lambda: greets(tmp_path, 0))
    assert supervisor.pid_of("inference-1") == two_inference_processes[1]
    assert "inference-0 does not answer any more and is killed." in output.getvalue()


def test_only_silence_in_a_row_is_a_hang(
    supervisor: Supervisor, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that is slow now and then lives; one that is silent for three looks does not."""
    monkeypatch.setattr(child_module, "LOOK_EVERY_S", 0.01)
    answers = [True, True, False, True, True, False, True, True, True]
    asked: list[bool] = []

    def is_silent() -> bool:
        asked.append(answers[len(asked)])
        return asked[-1]

    supervisor.start(replace(child("inference-0", SLEEP), is_silent=is_silent))
    pid = supervisor.pid_of("inference-0")

    wait_for(supervisor, lambda: supervisor.pid_of("inference-0") != pid)
    assert asked[: len(answers)] == answers


def test_a_process_that_has_ended_is_not_asked_any_more(
    supervisor: Supervisor, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "LOOK_EVERY_S", 0.01)
    supervisor.run_once(replace(child("prepare", "print('done')"), is_silent=lambda: False))

    assert not [thread for thread in threading.enumerate() if thread.name == "guard-prepare" and alive_after(thread)]


def alive_after(thread: threading.Thread) -> bool:
    thread.join(5)
    return thread.is_alive()
