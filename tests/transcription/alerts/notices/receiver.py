"""A receiver of webhooks on this machine, which answers as it is told to and remembers what it was sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DRIPS = -1


@dataclass
class Receiver:
    """`statuses`: of the next answers; then 204. 0: no answer for as long as the test lasts; DRIPS: one byte of it
    now and then. `location`: of redirects."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    has_come: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def listening() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.paths.append(self.path)
            receiver.headers.append(dict(self.headers.items()))
            receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.has_come.set()
            status = receiver.statuses.pop(0) if receiver.statuses else 204
            if status == 0:
                receiver.is_over.wait(10)
                return
            if status == DRIPS:
                self.drip()
                return
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def drip(self) -> None:
            """Until the other side has had enough."""
            with suppress(OSError):
                while not receiver.is_over.wait(0.02):
                    self.wfile.write(b"H")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/alerts?team=speech"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.is_over.set()
            server.shutdown()
            thread.join()
