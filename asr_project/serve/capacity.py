"""How many inference processes pay off on this machine: a pure rule, and what it is fed with.

An inference process computes on one thread, so without a GPU each takes one core. The web server, the database and Celery
need a share too; measured on two cores, they are better served by sharing both of them with two inference processes than by
having one to themselves, so a core is set aside for them only where there are more than two.
"""

import importlib.util
import os
import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

SHARED_CORES = 2
"""Up to so many cores are shared by inference and the web tier; of more, one belongs to the web tier."""
PROCESS_BYTES = 1_300_000_000
"""Of one inference process with both models that come with it: 0.93 GB when warm, 1.27 GB while it loads."""
OTHERS_BYTES = 1_500_000_000
"""Web, worker, beat (150 MB each), PostgreSQL, Valkey, and some air."""
CGROUP_ROOT = Path("/sys/fs/cgroup")
MIN_UNLIMITED_BYTES = 1 << 60  # how cgroup v1 says "no limit"


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use. `cores` is a fraction where a container has a quota; `devices` are CUDA's names for GPUs."""

    cores: float
    memory_bytes: int
    devices: tuple[str, ...] = ()


def num_inference_processes(machine: Machine) -> int:
    """One for each GPU; else one for each core that is not the web tier's, as far as memory goes; at least one."""
    if machine.devices:
        return len(machine.devices)
    whole_cores = int(machine.cores)
    by_cores = whole_cores if whole_cores <= SHARED_CORES else whole_cores - 1
    by_memory = (machine.memory_bytes - OTHERS_BYTES) // PROCESS_BYTES
    return max(1, min(by_cores, by_memory))


def this_machine(chosen_devices: str | None) -> Machine:
    """`chosen_devices`: CUDA_VISIBLE_DEVICES, if it is set."""
    return Machine(cores=_cores(), memory_bytes=_memory_bytes(), devices=_devices(chosen_devices))


def allow_many_files() -> None:
    """As many open sockets as the system lets this process and its children have; the usual 1,024 are a thousand clients."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _cores() -> float:
    """Not those of the machine, but those that this process may run on, and no more than its quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(affinity), *(quota for folder in cgroup_folders("cpu") if (quota := cpu_quota(folder)))])


def _memory_bytes() -> int:
    limits = [limit for folder in cgroup_folders("memory") if (limit := memory_limit_bytes(folder))]
    return min([psutil.virtual_memory().available, *limits])


def cgroup_folders(controller: str, root: Path = CGROUP_ROOT, membership: Path = Path("/proc/self/cgroup")) -> list[Path]:
    """Where limits on this process may stand: its group in cgroup v2 and in v1's `controller`, and all groups above."""
    if not membership.exists():
        return []
    found = []
    for line in membership.read_text(encoding="utf-8").splitlines():
        _number, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        own = top / group.lstrip("/")
        found += [own, *(folder for folder in own.parents if folder.is_relative_to(top))]
    return found


def cpu_quota(folder: Path) -> float | None:
    """Cores that the group in `folder` may use at once; None without a limit."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def memory_limit_bytes(folder: Path) -> int | None:
    """Memory that the group in `folder` may use; None without a limit."""
    limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
    return int(limit) if limit.isdecimal() and int(limit) < MIN_UNLIMITED_BYTES else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _devices(chosen: str | None) -> tuple[str, ...]:
    """GPUs that torch would use: none where it was built without CUDA."""
    num_present = sum(path.name.removeprefix("nvidia").isdecimal() for path in Path("/dev").glob("nvidia*"))
    if not num_present or not _torch_has_cuda():
        return ()
    return tuple(str(number) for number in range(num_present)) if chosen is None else visible_devices(chosen)


def visible_devices(chosen: str) -> tuple[str, ...]:
    """The names in CUDA_VISIBLE_DEVICES, which ends at the first number that is none."""
    names: list[str] = []
    for name in (part.strip() for part in chosen.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return tuple(names)


def _torch_has_cuda() -> bool:
    """Asked of its files: to import it takes seconds, and the supervisor needs nothing else of it."""
    spec = importlib.util.find_spec("torch")
    return bool(spec and spec.origin and (Path(spec.origin).parent / "lib" / "libtorch_cuda.so").exists())
