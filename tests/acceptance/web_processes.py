"""Further web processes of a running stack, on ports of their own: several of them, or one that a test has changed."""

import json
import re
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urlsplit

from asr_project.serve import topology
from asr_project.serve.readiness import is_ready
from tests.inference.worker import wait_until
from tests.stack import HOST, READY_WITHIN_S, Stack, free_port

APPLICATION = "asr_project.asgi:application"
SITE_WITH_SLEEP = "tests.acceptance.sleepy_site:application"
FORGETFUL_SITE = "tests.acceptance.forgetful_site:application"
IMPATIENT_SITE = "tests.acceptance.impatient_site:application"
CLINGING_SITE = "tests.acceptance.clinging_site:application"
ADMIN_PASSWORD = "only-for-tests"


@dataclass(frozen=True)
class WebProcess:
    stack: Stack
    name: str
    port: int

    @property
    def http_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{HOST}:{self.port}/stream"

    @property
    def pid(self) -> int:
        return self.stack.processes[self.name].pid


@contextmanager
def another_web(
    stack: Stack, name: str, *, application: str = APPLICATION, ping_s: float = 30, pong_s: float = 15, **settings: str
) -> Iterator[WebProcess]:
    """A web process more with the stack's database and inference, ready. It pings its sockets every `ping_s` seconds and lets
    go who has not answered within `pong_s`.
    """
    web = WebProcess(stack, name, free_port())
    spec = topology.web(stack.environment | settings, HOST, web.port)
    command = [application if part == APPLICATION else part for part in spec.command]
    command[command.index("--ws-ping-interval") + 1] = str(ping_s)
    command[command.index("--ws-ping-timeout") + 1] = str(pong_s)
    process = stack.spawn(replace(spec, name=name, command=tuple(command)))
    try:
        wait_until(lambda: process.poll() is not None or is_ready(HOST, web.port), READY_WITHIN_S)
        assert process.poll() is None, stack.logs()
        yield web
    finally:
        process.kill()
        process.wait()
        stack.processes.pop(name, None)  # those that are left should all be running


class Visitor:
    """A browser without scripts: keeps cookies. `password` signs the administrator in.

    Args:
        url: of the site, without a slash at its end.
        trust: for https, whose certificates count.
    """

    def __init__(self, url: str, password: str = "", trust: ssl.SSLContext | None = None) -> None:
        self.url = url
        self._cookies = CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self._cookies)
        self._opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=trust))
        if password:
            self._sign_in(password)

    @property
    def cookie(self) -> str:
        """As a header says it."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> str:
        """The body.

        Raises:
            HTTPError: the answer was no success.
        """
        with self._open(path, headers=headers or {}) as answer:
            text: str = answer.read().decode()
        return text

    def get_json(self, path: str, headers: Mapping[str, str] | None = None) -> object:
        return json.loads(self.get(path, headers))

    def address_of(self, path: str) -> str:
        """Where one ends up after redirects."""
        with self._open(path, headers={}) as answer:
            address: str = answer.url
        return address

    def _open(self, path: str, *, headers: Mapping[str, str], form: dict[str, str] | None = None) -> Any:
        body = urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(self.url + path, body, dict(headers))  # noqa: S310 -- our own server
        return self._opener.open(request, timeout=60)

    def _sign_in(self, password: str) -> None:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get("/admin/login/"))
        assert token is not None
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
        form["next"] = f"{urlsplit(self.url).path}/admin/"
        with self._open("/admin/login/", headers={"Referer": f"{self.url}/admin/login/"}, form=form) as answer:
            assert answer.url == f"{self.url}/admin/", "not signed in"
