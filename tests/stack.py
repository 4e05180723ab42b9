"""The real processes for tests: uvicorn with our ASGI application and `python -m inference`, as `make serve` runs them.

They share the suite's PostgreSQL and Valkey, in a database of their own.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from asr_project.serve import topology
from asr_project.serve.child import ChildSpec
from asr_project.serve.readiness import is_ready

HOST = "127.0.0.1"
READY_WITHIN_S = 100.0
STOP_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05


@dataclass
class Stack:
    """`folder` holds the logs and the socket. Everything is stopped by `stop`."""

    folder: Path
    environment: dict[str, str]
    port: int
    num_inference: int = 1
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def http_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{HOST}:{self.port}/stream"

    @property
    def database_url(self) -> str:
        return self.environment["DATABASE_URL"]

    @property
    def inference_pid(self) -> int:
        return self.processes["inference-0"].pid

    def start(self) -> None:
        for number in range(self.num_inference):
            self.start_inference(number)
        assert self.spawn(topology.preparation(self.environment)).wait(timeout=60) == 0, self.logs()
        self.start_web()
        self.wait_until_ready()

    def start_inference(self, number: int = 0) -> None:
        address = self.environment["HARK_INFERENCE_ADDRESS"].split(",")[number]
        self.spawn(topology.inference(self.environment, topology.InferenceProcess(number, address)))

    def start_web(self) -> None:
        self.spawn(topology.web(self.environment, HOST, self.port))

    def spawn(self, spec: ChildSpec) -> "subprocess.Popen[bytes]":
        with self.log_of(spec.name).open("ab") as log:
            process = subprocess.Popen(
                spec.command, env=spec.environment, cwd=spec.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.processes[spec.name] = process
        return process

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a process and wait for its end; returns its exit status."""
        process = self.processes[name]
        process.send_signal(number)
        return process.wait(timeout=STOP_WITHIN_S)

    def kill_inference(self, number: int = 0) -> None:
        """As the kernel does when memory runs out: no farewell."""
        self.signal(f"inference-{number}", signal.SIGKILL)

    def restart_inference(self) -> None:
        self.kill_inference()
        self.start_inference()

    def wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not is_ready(HOST, self.port):
            running = all(process.poll() is None for name, process in self.processes.items() if name != "prepare")
            if not running or time.monotonic() > deadline_s:
                pytest.fail(f"the server did not become ready:\n{self.logs()}")
            time.sleep(LOOK_EVERY_S)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET request from loopback."""
        connection = HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def logs(self) -> str:
        parts = [f"--- {path.name}\n{path.read_text(errors='replace')[-3_000:]}" for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(parts)

    def stop(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def own_database() -> Iterator[str]:
    """Address of an empty database on the suite's server; dropped afterwards."""
    server_url = os.environ["DATABASE_URL"]
    name = f"stack_{uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def running_stack(folder: Path, num_inference: int = 1, **settings: str) -> Iterator[Stack]:
    """A stack with an empty database that answers /readyz."""
    (folder / "var").mkdir(parents=True)
    with own_database() as database_url:
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environment |= {
            "DATABASE_URL": database_url,
            "HARK_VAR_DIR": str(folder / "var"),
            "HARK_INFERENCE_ADDRESS": ",".join(f"unix:{folder / f'i{number}.sock'}" for number in range(num_inference)),
            "HARK_ANONYMOUS": "loopback",
            "HARK_MAX_DELAY_MS": "0",  # a machine that is busy with other tests refuses nobody
            "DJANGO_SETTINGS_MODULE": "asr_project.settings",
        }
        stack = Stack(folder, environment | settings, free_port(), num_inference)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
