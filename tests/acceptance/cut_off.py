"""`python -m tests.acceptance.cut_off COMMAND …`: run a command where no network is but loopback, and note who wants more.

A network namespace of its own takes the network away. In every Python process that starts below, an audit hook writes each
address that is not this machine's into the file that HARK_TEST_OUTBOUND names, and the process itself, to show that it watches.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

CLONE_NEWNET: Final = 0x40000000
SIOCSIFFLAGS: Final = 0x8914
IFF_UP_RUNNING: Final = 0x41
NOTE_IN: Final = "HARK_TEST_OUTBOUND"
WATCHING: Final = "watching"
NOT_PERMITTED: Final = 77
WITH_SOCKET: Final = {"socket.connect", "socket.sendto"}
WATCHED: Final = WITH_SOCKET | {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
OWN_NAMES: Final = {"localhost", "", socket.gethostname()}


def cut_off() -> None:
    """Leave the network for good; loopback comes up again.

    Raises:
        PermissionError: only root may.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise PermissionError(ctypes.get_errno(), "no network namespace of our own")
    with socket.socket() as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP_RUNNING))


def watch() -> None:
    """From now on note what this process wants from outside."""
    note = Path(os.environ[NOTE_IN])
    _append(note, f"{WATCHING} {' '.join(sys.orig_argv[1:])}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WATCHED and (host := host_in(event, arguments)) is not None and not is_own(host):
            _append(note, f"{event} {host}")

    sys.addaudithook(hook)


def _append(note: Path, line: str) -> None:
    with note.open("a", encoding="utf-8") as notes:
        notes.write(f"{line}\n")


def host_in(event: str, arguments: tuple[Any, ...]) -> str | None:
    """Name or address; None for a Unix socket."""
    wanted = arguments[1] if event in WITH_SOCKET else arguments
    return str(wanted[0] or "") if isinstance(wanted, tuple) else None


def is_own(host: str) -> bool:
    try:
        return host in OWN_NAMES or ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    try:
        cut_off()
    except PermissionError:
        sys.exit(NOT_PERMITTED)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 -- the command is a test's
