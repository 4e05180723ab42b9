"""How many inference processes pay off: the rule as a table, and the limits that a container sets."""

from pathlib import Path

import pytest

from asr_project.serve.capacity import (
    Machine,
    cgroup_folders,
    cpu_quota,
    memory_limit_bytes,
    num_inference_processes,
    this_machine,
    visible_devices,
)

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("cores", "memory_gb", "expected"),
    [
        (0.5, 64, 1),
        (1, 64, 1),
        (1.9, 64, 1),
        (2, 64, 2),
        (2, 4.2, 2),
        (2, 3.5, 1),
        (2, 0.5, 1),
        (2.5, 64, 2),
        (3, 64, 2),
        (4, 64, 3),
        (16, 64, 15),
        (16, 8, 5),
    ],
)
def test_processes_for_cores_and_memory(cores: float, memory_gb: float, expected: int) -> None:
    assert num_inference_processes(Machine(cores, round(memory_gb * GB))) == expected


def test_with_gpus_there_is_one_process_for_each_however_many_cores() -> None:
    assert num_inference_processes(Machine(64.0, 256 * GB, devices=("0", "1"))) == 2


def test_this_machine_has_at_least_a_part_of_a_core_and_some_memory() -> None:
    machine = this_machine(None)

    assert machine.cores > 0
    assert machine.memory_bytes > 0


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.cfs_quota_us": "400000\n", "cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_processor_quota_of_a_group(files: dict[str, str], expected: float | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert cpu_quota(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "2147483648\n"}, 2_147_483_648),
        ({"memory.max": "max\n"}, None),
        ({"memory.limit_in_bytes": "1073741824\n"}, 1_073_741_824),
        ({"memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({}, None),
    ],
)
def test_the_memory_limit_of_a_group(files: dict[str, str], expected: int | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert memory_limit_bytes(tmp_path) == expected


def test_limits_are_looked_for_in_the_own_group_and_in_all_above(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/d/e\n")

    assert cgroup_folders("memory", Path("/g"), membership) == [
        Path("/g/memory/a/b"),
        Path("/g/memory/a"),
        Path("/g/memory"),
        Path("/g/d/e"),
        Path("/g/d"),
        Path("/g"),
    ]
    assert Path("/g/cpu,cpuacct/c") in cgroup_folders("cpu", Path("/g"), membership)


def test_without_groups_there_are_no_limits(tmp_path: Path) -> None:
    assert cgroup_folders("cpu", membership=tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("0", ("0",)), ("2, 3", ("2", "3")), ("GPU-8932f937", ("GPU-8932f937",)), ("", ()), ("-1", ()), ("1,-1,2", ("1",))],
)
def test_cuda_visible_devices_is_obeyed(chosen: str, names: tuple[str, ...]) -> None:
    assert visible_devices(chosen) == names
