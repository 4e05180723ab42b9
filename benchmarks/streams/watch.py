"""CPU and memory of the server's processes, by role, while the clients play; and of the whole machine."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

import numpy as np
import psutil

SUPERVISOR_MODULE: Final = "asr_project.serve"
ROLES_BY_MODULE: Final = {
    SUPERVISOR_MODULE: "supervisor",
    "inference": "inference",
    "uvicorn": "web",
    "granian": "web",
    "daphne": "web",
    "celery": "celery",
}
ROLES_BY_PROGRAM: Final = {"postgres": "postgres", "postgres:": "postgres", "valkey-server": "valkey", "redis-server": "valkey"}
MIB: Final = 1024 * 1024
WORK: Final = np.linspace(0, 1, MIB, dtype=np.float32)
"""More than a core keeps close to itself: memory that neighbours crowd counts too."""


class NoServerError(Exception):
    """No process listens on the port: the server runs elsewhere, or not at all."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of one role. `cpu_s`: since their start. `rss_bytes` counts shared pages once per process."""

    cpu_s: float
    rss_bytes: int
    num_processes: int


@dataclass(frozen=True, slots=True)
class Look:
    """The server at one time (monotonic clock). `machine_cpu_s`: busy time of all cores since boot. `work_ms`: what
    `fixed_work_ms` took."""

    at_s: float
    roles: dict[str, Usage]
    machine_cpu_s: float
    work_ms: float


def server_root(port: int) -> psutil.Process:
    """The supervisor over the process that listens on `port`, or that process itself where there is none.

    Raises:
        NoServerError: nothing listens there, or its owner cannot be seen.
    """
    entries = [entry for entry in psutil.net_connections("tcp") if entry.status == psutil.CONN_LISTEN]
    pids = [entry.pid for entry in entries if entry.pid and entry.laddr and entry.laddr.port == port]
    if not pids:
        raise NoServerError(f"No process that listens on port {port} can be seen here; give its number with --server-pid.")
    listening = psutil.Process(min(pids))
    over = [parent for parent in listening.parents() if role_of(parent.cmdline()) == "supervisor"]
    return over[-1] if over else listening


def role_of(command: Sequence[str]) -> str | None:
    """What a process is for, from its command line; None where that does not tell."""
    if "-m" in command[1:-1]:
        module = command[command.index("-m") + 1]
        return ROLES_BY_MODULE.get(module)
    return ROLES_BY_PROGRAM.get(PurePath(command[0].split(" ")[0]).name) if command else None


def fixed_work_ms() -> float:
    """Processor time that always the same small piece of work takes now. On a machine that others share it is half as much again
    in a bad hour; what is measured then says nothing of the program."""
    started_s = time.thread_time()
    for _ in range(3):
        np.sort(WORK.reshape(-1, 64), axis=1)
        np.sqrt(WORK).sum()
    return (time.thread_time() - started_s) * 1000


class ServerWatch:
    """Looks at a process tree again and again. What a process had used before it ended stays counted."""

    def __init__(self, root: psutil.Process) -> None:
        self.root = root
        self.looks: list[Look] = []
        self._cpu_s: dict[tuple[int, float], tuple[str, float]] = {}

    def look(self) -> None:
        present: dict[str, list[psutil.Process]] = {}
        for role, process in self._with_roles():
            present.setdefault(role, []).append(process)
        usage = {role: self._usage(role, processes) for role, processes in present.items()}
        times = psutil.cpu_times()
        busy_s = sum(times) - times.idle - getattr(times, "iowait", 0.0)
        self.looks.append(Look(time.monotonic(), usage, busy_s, fixed_work_ms()))

    def _with_roles(self) -> Iterator[tuple[str, psutil.Process]]:
        """Every process of the tree; one whose command line does not tell has the role of the process that started it."""
        with suppress(psutil.Error):
            roles = {self.root.ppid(): "other"}
            for process in [self.root, *self.root.children(recursive=True)]:
                with suppress(psutil.Error):
                    role = role_of(process.cmdline()) or roles.get(process.ppid(), "other")
                    roles[process.pid] = role
                    yield role, process

    def _usage(self, role: str, processes: Sequence[psutil.Process]) -> Usage:
        rss_bytes = 0
        for process in processes:
            with suppress(psutil.Error):
                used = process.cpu_times()
                self._cpu_s[process.pid, process.create_time()] = role, used.user + used.system
                rss_bytes += process.memory_info().rss
        cpu_s = sum(cpu_s for of_role, cpu_s in self._cpu_s.values() if of_role == role)
        return Usage(cpu_s, rss_bytes, len(processes))

    @contextmanager
    def looking(self, every_s: float) -> Iterator[None]:
        """Look every `every_s`, in a thread, and once more at the end."""
        is_over = threading.Event()

        def look_on() -> None:
            self.look()
            while not is_over.wait(every_s):
                self.look()

        thread = threading.Thread(target=look_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self.look()


@dataclass(frozen=True, slots=True)
class RoleUse:
    """Of one role in a stretch of time. `slope_mib_per_h`: of a straight line through all looks."""

    cores: float
    rss_start_mib: float
    rss_end_mib: float
    slope_mib_per_h: float
    num_processes: int


@dataclass(frozen=True, slots=True)
class ServerUse:
    """`machine_cores`: everything that ran on the machine, server and clients included. `work_ms`: the middle of
    `fixed_work_ms`."""

    roles: dict[str, RoleUse] = field(default_factory=dict)
    machine_cores: float = 0.0
    work_ms: float = 0.0

    @property
    def cores(self) -> float:
        return sum(role.cores for role in self.roles.values())


def use_between(looks: Sequence[Look], from_s: float, to_s: float) -> ServerUse:
    """From the last look before `from_s` to the first after `to_s`."""
    before = max((place for place, look in enumerate(looks) if look.at_s <= from_s), default=0)
    after = min((place for place, look in enumerate(looks) if look.at_s >= to_s), default=len(looks) - 1)
    kept = looks[before : after + 1]
    if len(kept) < 2:
        return ServerUse()
    length_s = kept[-1].at_s - kept[0].at_s
    roles = {role: _role_use([look for look in kept if role in look.roles], role, length_s) for role in sorted(kept[-1].roles)}
    work_ms = float(np.median([look.work_ms for look in kept]))
    return ServerUse(roles, (kept[-1].machine_cpu_s - kept[0].machine_cpu_s) / length_s, work_ms)


def _role_use(looks: Sequence[Look], role: str, length_s: float) -> RoleUse:
    first, last = looks[0].roles[role], looks[-1].roles[role]
    cores = (last.cpu_s - first.cpu_s) / length_s
    return RoleUse(cores, first.rss_bytes / MIB, last.rss_bytes / MIB, _slope_mib_per_h(looks, role), last.num_processes)


def _slope_mib_per_h(looks: Sequence[Look], role: str) -> float:
    if len(looks) < 2:
        return 0.0
    hours = np.array([look.at_s - looks[0].at_s for look in looks]) / 3600
    mib = np.array([look.roles[role].rss_bytes for look in looks]) / MIB
    return float(np.polyfit(hours, mib, 1)[0])
