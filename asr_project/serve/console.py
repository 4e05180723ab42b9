"""What the person at the terminal sees: every line carries the name of the process that said it.

Where a collector reads instead of a person (`HARK_LOG_FORMAT=json`), every line is one JSON object, with that name as its
`process`: the lines that our own processes write so already, and those of everybody else.
"""

import json
import socket
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from inference.logs import LogFormat, redacted

NAME_WIDTH = 11
OWN_NAME: Final = "hark"
HOW_LINES_BEGIN: Final = '{"time": '


class Console:
    """Writes whole lines; safe to use from any thread. A terminal that has gone away is no reason to stop serving."""

    def __init__(self, stream: TextIO | None = None, log_format: LogFormat = "text") -> None:
        self.log_format = log_format
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._is_open = True

    def say(self, line: str, level: str = "INFO") -> None:
        """Something of our own. `level`: as loggers have them, where there is a place for it."""
        self._tell(OWN_NAME, line, level)

    def relay(self, name: str, line: str) -> None:
        """What the process `name` has written."""
        self._tell(name, line, "INFO")

    def _tell(self, name: str, line: str, level: str) -> None:
        text = json_line(name, line, level) if self.log_format == "json" else f"{name:<{NAME_WIDTH}} │ {line}"
        with self._lock:
            if self._is_open:
                self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._is_open = False


def log_record(line: str) -> dict[str, Any] | None:
    """What a process has logged as JSON; None if `line` is anything else."""
    if not line.startswith(HOW_LINES_BEGIN):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def json_line(name: str, line: str, level: str) -> str:
    """`line` with the name of its process; one that is no JSON line becomes the message of one."""
    record = log_record(line) or {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "logger": OWN_NAME if name == OWN_NAME else "output",
        "node": socket.gethostname(),
        "message": redacted(line),
    }
    return json.dumps(record | {"process": name})


def sentence_of(line: str) -> str:
    """What `line` says to a person, however it was written."""
    record = log_record(line)
    return line if record is None else str(record.get("message", line))
