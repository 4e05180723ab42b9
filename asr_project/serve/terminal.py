"""Ctrl-C for us alone: make, which waits for us in the same terminal, would die of it and report a failure."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def own_foreground() -> Iterator[None]:
    """Be the terminal's foreground process group, alone, and give that back afterwards.

    Does nothing without a terminal, in the background, or when a shell has given us a group of our own already. Ctrl-Z is
    ignored meanwhile: it would stop us, and make, which the shell waits for, would not know.
    """
    former_group = os.getpgrp()
    if not _is_foreground(former_group) or former_group == os.getpid():
        yield
        return
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else the kernel stops us when we take the terminal from the background
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpid())
    try:
        yield
    finally:
        with suppress(OSError):  # the terminal is gone
            os.tcsetpgrp(sys.stdin.fileno(), former_group)


def _is_foreground(group: int) -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == group
    except (OSError, ValueError):  # no terminal; no stdin
        return False
