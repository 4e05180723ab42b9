"""A small site that holds models, and can be as bad as sites are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass
class Site:
    """files: by path. cut_after_bytes: how much of an answer goes out before the connection ends, one after the other; then all
    of it. statuses: what a path is answered with instead. asked: paths, with the range that was asked for.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after_bytes: list[int] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def tag(self, path: str) -> str:
        return f'"{sha256(self.files[path]).hexdigest()[:16]}"'


class Handler(BaseHTTPRequestHandler):
    site: ClassVar[Site]

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers.get("Range", "")
        site.asked.append((self.path, wanted))
        if self.path in site.statuses or self.path not in site.files:
            self.send_error(site.statuses.get(self.path, HTTPStatus.NOT_FOUND))
            return
        content = site.files[self.path]
        is_same = self.headers.get("If-Range", "") == site.tag(self.path)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and is_same else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        self.send_header("ETag", site.tag(self.path))
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        num_bytes = site.cut_after_bytes.pop(0) if site.cut_after_bytes else len(content)
        self.wfile.write(content[start:][:num_bytes])

    def log_message(self, *_args: object) -> None:
        """Nobody reads it."""


@contextmanager
def running_site() -> Iterator[Site]:
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
