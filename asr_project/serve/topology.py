"""What `make serve` runs: the processes of Hark, their environment, and the order in which they stop."""

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from asr_project.serve.capacity import Machine, num_inference_processes
from asr_project.serve.child import ChildSpec
from asr_project.serve.config import PROJECT_DIR, ServeConfig
from asr_project.serve.errors import CannotStart
from asr_project.serve.readiness import is_silent
from asr_project.serve.services import ServiceUrls

MAX_SOCKET_PATH_BYTES = 100
MAX_WS_FRAME_BYTES = 2 * 1024 * 1024  # twice what /stream accepts, so that it answers a large frame with a message of its own
WEB_GRACE_S = 25
WS_CLASS = "asr_project.websocket:StreamSocket"
PING_EVERY_S = 30
PONG_WITHIN_S = 15  # a client that vanished is let go after 45 s at the latest
WILDCARD_HOSTS = frozenset({"0.0.0.0", "::"})  # noqa: S104 -- compared with, not bound to
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # docs/decisions/0003
QUIET_STATIC = ["-W", "ignore:StreamingHttpResponse must consume synchronous iterators"]  # said of WhiteNoise's small files
QUIET_AS_ROOT = ["-W", "ignore:You're running the worker with superuser privileges"]  # five lines of it, at every start


INFERENCE_SETTINGS = ("HARK_MODELS", "HARK_PRECISION", "HARK_DEVICE")
"""Of the operator's, those that `make manage` must know too, to measure and show what the inference processes run."""


@dataclass(frozen=True, slots=True)
class InferenceProcess:
    """One of the inference processes. `device`: the GPU that it has to itself, as CUDA_VISIBLE_DEVICES names it."""

    number: int
    address: str
    device: str | None = None

    @property
    def name(self) -> str:
        return f"inference-{self.number}"


def inference_processes(config: ServeConfig, machine: Machine) -> list[InferenceProcess]:
    """Those that run in this run: where the operator has named addresses, one for each.

    Raises:
        CannotStart: another number of processes was asked for.
    """
    wanted = config.num_inference_processes
    if config.inference_addresses and wanted not in {None, len(config.inference_addresses)}:
        raise CannotStart(
            f"HARK_INFERENCE_ADDRESS names {len(config.inference_addresses)} and HARK_INFERENCE_PROCESSES asks for {wanted}: "
            "leave one of them out."
        )
    num_processes = len(config.inference_addresses) or wanted or num_inference_processes(machine)
    addresses = config.inference_addresses or [inference_address(config.var_dir, number) for number in range(num_processes)]
    devices = [machine.devices[number % len(machine.devices)] if machine.devices else None for number in range(num_processes)]
    return [InferenceProcess(number, *given) for number, given in enumerate(zip(addresses, devices, strict=True))]


def inference_address(var_dir: Path, number: int) -> str:
    """A socket file in the data folder; a port on loopback where its path would be too long for a socket."""
    path = var_dir / f"inference-{number}.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return f"unix:{path}"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"tcp:127.0.0.1:{probe.getsockname()[1]}"


def allowed_hosts(host: str) -> list[str]:
    """The names under which a browser may reach a server that listens on `host`."""
    hosts = [*LOOPBACK_HOSTS]
    if host in WILDCARD_HOSTS:
        hosts += [*own_addresses(), socket.gethostname()]
    else:
        hosts.append(url_host(host))
    return list(dict.fromkeys(hosts))


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine."""
    entries = [entry for interface in psutil.net_if_addrs().values() for entry in interface]
    return [entry.address for entry in entries if entry.family == socket.AF_INET]


def url_host(host: str) -> str:
    """`host` as it stands in a URL: IPv6 in brackets, loopback instead of "every address"."""
    if host in WILDCARD_HOSTS:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def tuning_file(config: ServeConfig) -> str:
    """Where `models bench --save` keeps what it found out for the inference processes."""
    return config.inherited.get("HARK_TUNING_FILE") or str(config.var_dir / "tuning.json")


def hark_settings(
    config: ServeConfig, urls: ServiceUrls, secret_key_path: Path, processes: Sequence[InferenceProcess]
) -> dict[str, str]:
    """The settings that this run decides. What the operator has set in the environment stays, where there is a choice."""
    chosen = {
        "DATABASE_URL": urls.database_url,
        "REDIS_URL": urls.redis_url,
        "HARK_VAR_DIR": str(config.var_dir),
        "HARK_INFERENCE_ADDRESS": ",".join(process.address for process in processes),
        "HARK_TUNING_FILE": tuning_file(config),
        "DJANGO_SETTINGS_MODULE": "asr_project.settings",
    }
    if not config.has_secret_key:
        chosen["SECRET_KEY_FILE"] = str(secret_key_path)
    if not config.has_allowed_hosts:
        chosen["ALLOWED_HOSTS"] = ",".join(allowed_hosts(config.host))
    if "HARK_CANARY_URL" not in config.inherited:
        chosen["HARK_CANARY_URL"] = f"ws://{url_host(config.host)}:{config.port}/stream"
    if "HARK_ANONYMOUS" not in config.inherited:
        chosen["HARK_ANONYMOUS"] = "loopback"
    return chosen | {name: config.inherited[name] for name in INFERENCE_SETTINGS if name in config.inherited}


def python_child(name: str, arguments: list[str], environment: dict[str, str], *, stop_stage: int, grace_s: float) -> ChildSpec:
    return ChildSpec(
        name=name,
        command=(sys.executable, *arguments),
        environment=environment | {"PYTHONUNBUFFERED": "1"},
        folder=PROJECT_DIR,
        stop_stage=stop_stage,
        grace_s=grace_s,
    )


def inference(environment: dict[str, str], process: InferenceProcess) -> ChildSpec:
    own = ONE_THREAD | {"HARK_INFERENCE_ADDRESS": process.address} | metrics_port(environment, process.number + 1)
    if process.device is not None:
        own["CUDA_VISIBLE_DEVICES"] = process.device
    spec = python_child(process.name, ["-m", "inference"], environment | own, stop_stage=2, grace_s=5)
    return replace(spec, is_silent=partial(is_silent, process.address))


def metrics_port(environment: dict[str, str], place: int) -> dict[str, str]:
    """The port at that place behind HARK_METRICS_PORT, which is the worker's. Each process complains of what is no number."""
    port = environment.get("HARK_METRICS_PORT", "0")
    return {"HARK_METRICS_PORT": str(int(port) + place)} if port.isdecimal() and int(port) else {}


def preparation(environment: dict[str, str]) -> ChildSpec:
    return python_child("prepare", ["-m", "asr_project.serve.prepare"], environment, stop_stage=0, grace_s=5)


def worker(environment: dict[str, str]) -> ChildSpec:
    """Threads, not a forked pool: further copies of Django would cost more memory than the tasks need. Five are for tasks that
    may take long (`transcription.tasks`), three for what must not wait."""
    flags = ["--pool", "threads", "--concurrency", "8", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    return python_child(
        "worker",
        [*QUIET_AS_ROOT, "-m", "celery", "-q", "-A", "asr_project", "worker", *flags],
        environment,
        stop_stage=1,
        grace_s=5,
    )


def beat(environment: dict[str, str]) -> ChildSpec:
    flags = ["--pidfile=", "--loglevel", "WARNING"]
    return python_child("beat", ["-m", "celery", "-q", "-A", "asr_project", "beat", *flags], environment, stop_stage=1, grace_s=3)


def web(environment: dict[str, str], host: str, port: int) -> ChildSpec:
    # fmt: off
    flags = [
        "--host", host, "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-server-header",
        "--no-access-log", "--log-level", "warning", "--ws", WS_CLASS, "--ws-max-size", str(MAX_WS_FRAME_BYTES),
        "--ws-per-message-deflate", "false",  # audio does not get smaller by it, and it costs memory for each socket
        "--no-proxy-headers",  # whose X-Forwarded-For counts is for HARK_TRUSTED_PROXIES to say
        "--ws-ping-interval", str(PING_EVERY_S), "--ws-ping-timeout", str(PONG_WITHIN_S),
        "--timeout-graceful-shutdown", str(WEB_GRACE_S),
    ]
    # fmt: on
    return python_child(
        "web",
        [*QUIET_STATIC, "-m", "uvicorn", "asr_project.asgi:application", *flags],
        environment,
        stop_stage=0,
        grace_s=WEB_GRACE_S + 1,
    )
