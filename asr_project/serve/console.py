"""What the person at the terminal sees: every line carries the name of the process that said it."""

import sys
import threading
from typing import TextIO

NAME_WIDTH = 11


class Console:
    """Writes whole lines; safe to use from any thread. A terminal that has gone away is no reason to stop serving."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._is_open = True

    def say(self, line: str) -> None:
        self.relay("hark", line)

    def relay(self, name: str, line: str) -> None:
        with self._lock:
            if self._is_open:
                self._write(f"{name:<{NAME_WIDTH}} │ {line}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._is_open = False
