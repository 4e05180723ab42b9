"""How every process writes its log: lines of text for a person, or JSON lines for a collector; never with a credential in them.

What else must not be logged, and by whom, is for `asr_project.discretion` to say; the inference process knows no credentials, and
logs neither audio nor text.
"""

import json
import logging
import re
import socket
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

LogFormat = Literal["text", "json"]
LOG_FORMATS: Final[tuple[LogFormat, ...]] = ("text", "json")

TEXT_LINE: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
FIELDS: Final = ("session", "segment", "stream")
"""What a record may be about (`about`). Nothing else of its `extra` is written: libraries put requests and arguments there."""

SECRETS: Final = (
    (re.compile(r"hark_([A-Za-z0-9]{8})_[A-Za-z0-9]+"), r"hark_\1_…"),
    (re.compile(r"(?i)\b(bearer|basic)[ :=]+[^\s\"',]+"), r"\1 …"),
    (re.compile(r"(?i)(cookie|sessionid|password|ticket|token)(['\"]?\s*[=:]\s*)[^\s&;,]+"), r"\1\2…"),
    (re.compile(r"((?<![\w.])/[^\s?\"']*\?)[^\s\"']+"), r"\1…"),  # the query of an address, which may be a search
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@"), r"\1…@"),
)


def redacted(text: str) -> str:
    """`text` without what looks like a key, a ticket, a cookie, a password, or the words of a search."""
    for pattern, kept in SECRETS:
        text = pattern.sub(kept, text)
    return text


def about(session: object = None, *, segment: int | None = None, stream: int | None = None) -> dict[str, object]:
    """What a log line is about, to be given as its `extra`.

    session: its id, if there is one; segment: its number in the session; stream: its number on the link, at inference.
    """
    given = {"session": str(session) if session else None, "segment": segment, "stream": stream}
    return {name: value for name, value in given.items() if value is not None}


def trace_id_of(session: object, segment: int) -> int:
    """The 128-bit number under which the segment's trace can be found, the same in every process; never 0."""
    return int.from_bytes(blake2b(f"{session}/{segment}".encode(), digest_size=16).digest()) or 1


class LineFormatter(logging.Formatter):
    """A record as text."""

    def __init__(self) -> None:
        super().__init__(TEXT_LINE)

    def format(self, record: logging.LogRecord) -> str:
        return self.cleaned(super().format(record), record.exc_info[1] if record.exc_info else None)

    def cleaned(self, text: str, error: BaseException | None) -> str:
        """`text`, which may be a traceback of `error`, without what nobody may read in a log."""
        return redacted(text)


class JsonFormatter(LineFormatter):
    """A record as one JSON object on one line: time, level, logger, node, pid, what it is about, message, traceback.

    node: this machine; empty: as the host is called. has_traces: whether the id of the segment's trace is added to what is about
    a segment.
    """

    def __init__(self, node: str = "", *, has_traces: bool = False) -> None:
        super().__init__()
        self._node = node or socket.gethostname()
        self._has_traces = has_traces

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "node": self._node,
            "pid": record.process,
            **self.subject_of(record),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        error = record.exc_info[1] if record.exc_info else None
        return json.dumps({name: self.cleaned(value, error) if isinstance(value, str) else value for name, value in line.items()})

    def subject_of(self, record: logging.LogRecord) -> dict[str, str | int]:
        """What `about` has given the record, and where its trace is found."""
        values = {name: getattr(record, name, None) for name in FIELDS}
        subject = {name: value for name, value in values.items() if isinstance(value, str | int)}
        session, segment = subject.get("session"), subject.get("segment")
        if self._has_traces and session is not None and isinstance(segment, int):
            subject["trace_id"] = f"{trace_id_of(session, segment):032x}"
        return subject


def start_logging(level: str, log_format: LogFormat, node: str = "") -> None:
    """Write what this process logs, and warns of, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(node) if log_format == "json" else LineFormatter())
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(log_format == "json")
