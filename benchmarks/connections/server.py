"""A server for the benchmark alone: the processes of `make serve`, on chosen cores, with the web server that is asked for."""

import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from asr_project.serve import topology
from asr_project.serve.capacity import allow_many_files
from asr_project.serve.child import ChildSpec
from asr_project.serve.console import Console
from asr_project.serve.postgres import SERVING_OPTIONS
from asr_project.serve.readiness import is_ready
from asr_project.serve.services import ServiceUrls, start_services
from asr_project.serve.supervisor import Supervisor

HOST: Final = "127.0.0.1"
APPLICATION: Final = "asr_project.asgi:application"
READY_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.2
SERVERS: Final = ("uvicorn", "uvicorn-stock", "granian", "daphne")


class ServerError(Exception):
    """The server did not start."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """cores: as taskset takes them, or "" for all. models: as HARK_MODELS."""

    kind: str
    cores: str
    models: str
    num_inference: int
    num_streams: int


@contextmanager
def running_server(wanted: Wanted) -> Iterator[int]:
    """The port of a server that is ready. It is a child of this process."""
    with tempfile.TemporaryDirectory(prefix="hark-connections-") as name, (Path(name) / "log").open("w") as log:
        supervisor = Supervisor(Console(log))
        try:
            yield _start(supervisor, wanted, Path(name))
        except BaseException:
            log.flush()
            sys.stderr.write("".join((Path(name) / "log").read_text().splitlines(keepends=True)[-30:]))
            raise
        finally:
            supervisor.stop()


def _start(supervisor: Supervisor, wanted: Wanted, folder: Path) -> int:
    allow_many_files()
    urls = start_services(supervisor, Console(), folder, ServiceUrls("", ""), SERVING_OPTIONS)
    addresses = [f"unix:{folder / f'i{number}.sock'}" for number in range(wanted.num_inference)]
    environment = os.environ | {
        "DATABASE_URL": urls.database_url,
        "REDIS_URL": urls.redis_url,
        "HARK_VAR_DIR": str(folder),
        "HARK_INFERENCE_ADDRESS": ",".join(addresses),
        "HARK_MODELS": wanted.models,
        "HARK_MAX_STREAMS": str(wanted.num_streams),
        "HARK_ANONYMOUS": "loopback",
        "DJANGO_SETTINGS_MODULE": "asr_project.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
    }
    for number, address in enumerate(addresses):
        supervisor.start(_on_cores(topology.inference(environment, topology.InferenceProcess(number, address)), wanted.cores))
    supervisor.run_once(topology.preparation(environment))
    port = _free_port()
    supervisor.start(_on_cores(_web(wanted.kind, environment, port), wanted.cores))
    _await_ready(port)
    return port


def _web(kind: str, environment: dict[str, str], port: int) -> ChildSpec:
    """Our web process; `uvicorn-stock` is the same with uvicorn's own WebSocket class."""
    spec = topology.web(environment, HOST, port)
    if kind == "uvicorn":
        return spec
    if kind == "uvicorn-stock":
        return replace(spec, command=tuple("websockets-sansio" if part == topology.WS_CLASS else part for part in spec.command))
    flags = {
        "granian": ["--interface", "asgi", "--host", HOST, "--port", str(port), "--no-access-log", "--log-level", "warning"],
        "daphne": ["--bind", HOST, "--port", str(port), "--verbosity", "0"],
    }
    return replace(spec, command=(sys.executable, "-m", kind, *flags[kind], APPLICATION))


def _on_cores(spec: ChildSpec, cores: str) -> ChildSpec:
    return replace(spec, command=("taskset", "-c", cores, *spec.command)) if cores else spec


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _await_ready(port: int) -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while not is_ready(HOST, port):
        if time.monotonic() > deadline_s:
            raise ServerError(f"The server was not ready within {READY_WITHIN_S:g} s.")
        time.sleep(LOOK_EVERY_S)
