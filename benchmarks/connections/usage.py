"""CPU time and memory of the server's processes, which are children of this one, by what they are for."""

from dataclasses import dataclass

import psutil

from benchmarks.streams.watch import role_of


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of one role. `cpu_s`: since their start."""

    cpu_s: float = 0.0
    rss_bytes: int = 0


def usage() -> dict[str, Usage]:
    """By role; a process whose command line does not tell has that of the process that started it."""
    own = psutil.Process()
    roles = {own.pid: "clients"}
    found: dict[str, Usage] = {}
    for process in own.children(recursive=True):
        role = roles[process.pid] = role_of(process.cmdline()) or roles.get(process.ppid(), "other")
        times, so_far = process.cpu_times(), found.get(role, Usage())
        found[role] = Usage(so_far.cpu_s + times.user + times.system, so_far.rss_bytes + process.memory_info().rss)
    return found
