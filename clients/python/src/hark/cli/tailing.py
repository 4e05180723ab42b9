"""`hark tail`: the finals of a stored or live session, by asking the REST API again and again."""

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any, TextIO

from hark.cli.status import StatusLine
from hark.cli.writing import write_json
from hark.errors import HarkError
from hark.rest import RestClient

ASK_EVERY_S = 1.0
MAX_FAILURES = 60
"""A server that is restarted comes back within a minute."""
EXIT_CODE = {"complete": 0, "incomplete": 3, "failed": 1}


def tail(chosen: argparse.Namespace) -> int:
    """Returns the exit code. Raises HarkError."""
    follower = Follower(chosen.format, sys.stdout)
    client = RestClient(chosen.url[0], chosen.key)
    status = StatusLine(sys.stderr)
    num_failures = 0
    while True:
        try:
            session = client.session(chosen.session)
            num_failures = 0
        except HarkError as err:
            num_failures += 1
            if not err.retryable or follower.next_segment is None or num_failures > MAX_FAILURES:
                raise
            session = None
        if session is not None:
            follower.show(session)
            if session["status"] in EXIT_CODE:
                return _over(session, status)
        time.sleep(ASK_EVERY_S)


def _over(session: dict[str, Any], status: StatusLine) -> int:
    if session["status"] != "complete":
        code = f" ({session['error_code']})" if session.get("error_code") else ""
        status.say(f"the session is {session['status']}{code}; {session['gap_ms'] / 1000:.1f} s of audio are missing")
    return EXIT_CODE[session["status"]]


@dataclass(slots=True)
class Follower:
    """Writes each final once. `next_segment`: the first that was not seen; None before the first answer."""

    format: str
    out: TextIO
    next_segment: int | None = None

    def show(self, session: dict[str, Any]) -> None:
        """Write what is new."""
        first = self.next_segment or 0
        self.next_segment = first
        for segment in session["segments"]:
            if segment["segment"] >= first:
                self.next_segment = segment["segment"] + 1
                self._write(segment)

    def _write(self, segment: dict[str, Any]) -> None:
        if self.format == "json":
            write_json(self.out, {"type": "final", **segment})
        elif segment["text"]:
            self.out.write(segment["text"] + "\n")
            self.out.flush()
