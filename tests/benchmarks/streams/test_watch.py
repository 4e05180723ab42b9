"""Processes are told apart by their command lines, and what they use is counted between two looks."""

import os

import psutil
import pytest

from benchmarks.streams.watch import MIB, Look, NoServerError, ServerWatch, Usage, role_of, server_root, use_between
from tests.stack import free_port


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["/venv/bin/python3", "-m", "inference"], "inference"),
        (["python", "-W", "ignore:something", "-m", "uvicorn", "asr_project.asgi:application"], "web"),
        (["python", "-m", "celery", "-q", "-A", "asr_project", "beat"], "celery"),
        (["python", "-m", "asr_project.serve"], "supervisor"),
        (["/install/bin/postgres", "-D", "data"], "postgres"),
        (["postgres: checkpointer "], "postgres"),
        (["/wheels/valkey-server", "*:6379"], "valkey"),
        (["python", "-c", "from multiprocessing.spawn import spawn_main"], None),
        ([], None),
    ],
)
def test_a_command_line_tells_the_role(command: list[str], role: str | None) -> None:
    assert role_of(command) == role


def look(at_s: float, cpu_s: float, rss_mib: float, machine_cpu_s: float = 0.0, work_ms: float = 6.0) -> Look:
    return Look(at_s, {"web": Usage(cpu_s, int(rss_mib * MIB), 1)}, machine_cpu_s, work_ms)


def test_use_is_that_between_the_looks_around_the_time() -> None:
    looks = [look(0, 5, 90), look(10, 10, 100, 50), look(20, 15, 101, 65), look(30, 100, 200, 200)]

    use = use_between(looks, 11, 19)

    assert use.roles["web"].cores == pytest.approx(0.5)
    assert use.machine_cores == pytest.approx(1.5)
    assert (use.roles["web"].rss_start_mib, use.roles["web"].rss_end_mib) == (100, 101)
    assert use.roles["web"].slope_mib_per_h == pytest.approx(360)


def test_a_machine_was_as_fast_as_in_the_middle_of_its_looks() -> None:
    looks = [look(at_s, 0, 0, work_ms=work_ms) for at_s, work_ms in ((0, 90), (10, 6), (20, 30), (30, 7), (40, 90))]

    assert use_between(looks, 11, 29).work_ms == 7


def test_nothing_seen_is_nothing_used() -> None:
    assert use_between([], 0, 10).cores == 0


def test_a_watch_sees_the_process_it_is_given() -> None:
    watch = ServerWatch(psutil.Process(os.getpid()))

    with watch.looking(every_s=60):
        pass

    assert len(watch.looks) == 2
    assert watch.looks[0].work_ms > 0
    assert sum(usage.rss_bytes for usage in watch.looks[-1].roles.values()) > MIB


def test_a_port_on_which_nobody_listens_is_said_to_be_so() -> None:
    with pytest.raises(NoServerError, match="--server-pid"):
        server_root(free_port())
