"""A Valkey of our own: its folder, how it is run, and its address on loopback, guarded by a password made for each start."""

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import redis

from asr_project.serve.child import ChildSpec
from asr_project.serve.programs import valkey_server

HOST = "127.0.0.1"
STOP_STAGE = 3
SNAPSHOT_AFTER = "60 1"  # seconds, changes; also makes it save on an orderly stop, so queued tasks survive one


@dataclass(frozen=True, slots=True)
class Valkey:
    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def spec(self) -> ChildSpec:
        return ChildSpec(
            name="valkey",
            command=(str(valkey_server()), str(self.folder / "valkey.conf")),
            environment={"LC_ALL": "C"},
            folder=self.folder,
            stop_stage=STOP_STAGE,
            log_path=self.folder / "log",
            advice=f"Its log is {self.folder / 'log'}; move {self.folder} away to begin with an empty one.",
        )

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_connect_timeout=2, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def prepare_valkey(folder: Path) -> Valkey:
    """Make `folder` ready for a server and write its configuration, which only we may read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    valkey = Valkey(folder, _free_port(), secrets.token_urlsafe(24))
    settings = {
        "bind": HOST,
        "port": str(valkey.port),
        "requirepass": valkey.password,
        "dir": f'"{folder}"',
        "save": SNAPSHOT_AFTER,
        "appendonly": "no",
        "daemonize": "no",
    }
    path = folder / "valkey.conf"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
    (folder / "log").unlink(missing_ok=True)
    return valkey


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
