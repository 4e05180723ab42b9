"""The server that sessions are played to: PostgreSQL, an inference process, and two web processes on the same database."""

import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from typing import Final

import psycopg

from asr_project.serve import topology
from asr_project.serve.readiness import is_ready
from benchmarks.network.verdict import NOTHING_STORED, Stored
from tests.stack import HOST, Stack, free_port

OVER_WITHIN_S: Final = 15.0
READY_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.05


@dataclass
class TwoWebs:
    """`stack`, whose web process is the first, and a second one that `start_second` adds."""

    stack: Stack
    num_webs: int = 2
    ports: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ports = [self.stack.port, *(free_port() for _ in range(1, self.num_webs))]

    @property
    def web_urls(self) -> list[str]:
        return [f"ws://{HOST}:{port}/stream" for port in self.ports]

    def start(self, number: int) -> None:
        """A web process; returns when it takes sessions."""
        spec = topology.web(self.stack.environment, HOST, self.ports[number])
        process = self.stack.spawn(replace(spec, name=web_name(number)))
        wait_until_ready(self.ports[number], process)

    def kill(self, number: int) -> None:
        self.stack.signal(web_name(number), signal.SIGKILL)

    def stop(self, number: int) -> int:
        """As a deployment does; returns the exit status. Raises TimeoutExpired: it had to be killed."""
        return self.stack.signal(web_name(number), signal.SIGTERM)

    def stored(self, session: str) -> Stored:
        """When it is over, or what there is of it when that takes too long."""
        deadline_s = time.monotonic() + OVER_WITHIN_S
        while (found := self.read(session)).status in {"", "live"} and time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)
        return found

    def read(self, session: str) -> Stored:
        with psycopg.connect(self.stack.database_url) as connection:
            row = connection.execute(
                "SELECT status, received_ms, transcribed_ms, silence_ms, gap_ms, gaps FROM transcription_session WHERE id = %s",
                [session],
            ).fetchone()
            texts = connection.execute(
                "SELECT text FROM transcription_segment WHERE session_id = %s ORDER BY number", [session]
            ).fetchall()
        if row is None:
            return NOTHING_STORED
        status, received_ms, transcribed_ms, silence_ms, gap_ms, gaps = row
        found = tuple((gap["from_ms"], gap["to_ms"]) for gap in gaps)
        return Stored(status, tuple(text for (text,) in texts), received_ms, transcribed_ms, silence_ms, gap_ms, found)

    def num_sessions(self) -> int:
        """How many are stored in all."""
        with psycopg.connect(self.stack.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM transcription_session").fetchone()
        return int(row[0]) if row else 0


def web_name(number: int) -> str:
    """The first is called as the stack calls its only one."""
    return "web" if number == 0 else f"web-{number}"


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while not is_ready(HOST, port):
        assert process.poll() is None, "the web process ended"
        assert time.monotonic() < deadline_s, "the web process did not become ready"
        time.sleep(LOOK_EVERY_S)
