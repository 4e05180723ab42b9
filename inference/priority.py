"""How a thread leaves the processor to others: what is done aside must not be noticed by those who are heard meanwhile."""

import os
import sys
import threading
from typing import Final

NICENESS: Final = 10


def give_way() -> None:
    """From now on this thread has what processor time others leave. Not for what holds the interpreter for long, such as parsing
    a tokenizer: on a busy machine a thread that gives way would keep recognition waiting for ten times as long."""
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
