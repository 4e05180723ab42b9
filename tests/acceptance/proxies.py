"""nginx and Caddy as docs/deployment.md configures them, with other addresses, and with a certificate made for the test."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import blocks, read
from tests.inference.worker import wait_until
from tests.stack import free_port

NAME = "localhost"
PREFIX = "/speech"
NGINX_SCAFFOLD = """
daemon off;
user root;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {timeouts}
    {site}
}}
"""
CADDY_SCAFFOLD = """
{{
    admin off
    auto_https disable_redirects
}}
{site}
"""


@dataclass(frozen=True)
class Proxy:
    """Reached at https://localhost:`port`/speech/. `trust` holds its certificate."""

    port: int
    trust: ssl.SSLContext

    @property
    def https_url(self) -> str:
        return f"https://{NAME}:{self.port}{PREFIX}"

    @property
    def wss_url(self) -> str:
        return f"wss://{NAME}:{self.port}{PREFIX}/stream"


@contextmanager
def nginx(folder: Path, web_ports: Sequence[int], read_timeout_s: int | None = None) -> Iterator[Proxy]:
    """In front of two web processes. `read_timeout_s`: instead of nginx's own 60 s."""
    program = _program("nginx", "/usr/sbin/nginx")
    certificate, key, trust = _certificate(folder)
    port = free_port()
    site = _replaced(
        blocks(read("docs/deployment.md"), "nginx")[0],
        {
            "127.0.0.1:8000": f"127.0.0.1:{web_ports[0]}",
            "127.0.0.1:8001": f"127.0.0.1:{web_ports[1]}",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "hark.example.org;": f"{NAME};",
            "/etc/ssl/hark.example.org.pem": str(certificate),
            "/etc/ssl/hark.example.org.key": str(key),
        },
    )
    timeouts = f"proxy_read_timeout {read_timeout_s}s; proxy_send_timeout {read_timeout_s}s;" if read_timeout_s else ""
    (folder / "nginx.conf").write_text(NGINX_SCAFFOLD.format(timeouts=timeouts, site=site))
    with _running([program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"], folder, port):
        yield Proxy(port, trust)


@contextmanager
def caddy(folder: Path, web_ports: Sequence[int]) -> Iterator[Proxy]:
    program = _program("caddy", "/usr/bin/caddy")
    certificate, key, trust = _certificate(folder)
    port = free_port()
    site = _replaced(
        blocks(read("docs/deployment.md"), "caddy")[0],
        {
            "127.0.0.1:8000": f"127.0.0.1:{web_ports[0]}",
            "127.0.0.1:8001": f"127.0.0.1:{web_ports[1]}",
            "hark.example.org {": f"https://{NAME}:{port} {{\n    tls {certificate} {key}",
        },
    )
    (folder / "Caddyfile").write_text(CADDY_SCAFFOLD.format(site=site))
    with _running([program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"], folder, port):
        yield Proxy(port, trust)


def _program(name: str, usual_place: str) -> str:
    """On CI it must be there; elsewhere its absence is a skip."""
    found = shutil.which(name) or shutil.which(usual_place)
    if found is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"{name} is not installed")
    return found


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"{old} is no longer in docs/deployment.md"
        text = text.replace(old, new)
    return text


def _certificate(folder: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """A certificate for localhost that only who has it trusts."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
            *("-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key, ssl.create_default_context(cafile=str(certificate))


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or _accepts(port))
        assert process.poll() is None, (folder / "proxy.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
