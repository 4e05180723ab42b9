"""How much memory this process has, how much more it can get, and how it gives back what it does not need any more.

`device`: as torch writes it: `cpu`, or `cuda:0`. torch is imported only where there is a GPU to ask.
"""

import ctypes
import gc
import sys
from pathlib import Path
from typing import Final

import psutil

CGROUP: Final = Path("/sys/fs/cgroup")


def used_bytes(device: str) -> int:
    """What is resident, or on a GPU what this process has taken there."""
    if device == "cpu":
        return int(psutil.Process().memory_info().rss)
    import torch

    return int(torch.cuda.memory_reserved(device))


def free_bytes(device: str, cgroup: Path = CGROUP) -> int:
    """What could be had now: of the machine, or of the container where that is less; or of the GPU."""
    if device == "cpu":
        return min(int(psutil.virtual_memory().available), _free_in_container(cgroup))
    import torch

    free, _total = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + unused)


def settle() -> None:
    """What is here now stays: `give_back` need not look through it again, which took 0.1 s. Without a cycle among them, objects
    are freed all the same."""
    gc.collect()
    gc.freeze()


def give_back(device: str) -> None:
    """Collect what nobody holds, and let the system have it. Takes some 10 ms, during which no other thread runs Python."""
    gc.collect()
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # glibc keeps what was freed otherwise
        libc.malloc_trim(0)


def _free_in_container(cgroup: Path) -> int:
    """Of a limit of control groups, version 2; without one more than there can be. Files in the cache count as free."""
    try:
        limit, used = (cgroup / "memory.max").read_text().strip(), int((cgroup / "memory.current").read_text())
        if limit == "max":
            return sys.maxsize
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except OSError:
        return sys.maxsize
    return int(limit) - used + int(stat["inactive_file"])
