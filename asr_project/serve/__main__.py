"""`python -m asr_project.serve`: what `make serve` runs, in the order in which it happens."""

import os
import secrets
import shlex
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import IO

from django.core.exceptions import ImproperlyConfigured

from asr_project.serve import topology
from asr_project.serve.capacity import allow_many_files, this_machine
from asr_project.serve.child import StopRequested
from asr_project.serve.config import ServeConfig
from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart, StopServing
from asr_project.serve.leftovers import ChildRecord, lock_folder
from asr_project.serve.postgres import SERVING_OPTIONS
from asr_project.serve.prepare import ADMIN_MADE, ADMIN_NAME
from asr_project.serve.readiness import is_ready
from asr_project.serve.services import ServiceUrls, start_services
from asr_project.serve.supervisor import Supervisor
from asr_project.serve.terminal import own_foreground

LOOK_EVERY_S = 0.25
PATIENCE_S = 60.0
SETTLED_AFTER_S = 10.0  # a worker or beat that cannot start has said so by then
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal without "│" still gets its lines
    console = Console()
    try:
        config = ServeConfig.from_env()
        console = Console(log_format=config.log_format)
        with claim_var_folder(config.var_dir), own_foreground():
            serve(config, console)
    except StopServing:
        console.say("Stopped.")
        return 0
    except (CannotStart, ImproperlyConfigured) as err:
        console.say(f"Cannot start. {err}", "CRITICAL")
    except OSError as err:
        console.say(f"Cannot start. {sentence_for_os_error(err)}", "CRITICAL")
    return 1


def sentence_for_os_error(err: OSError) -> str:
    """What to do when the data folder cannot be used."""
    if isinstance(err, PermissionError):
        return f"{err.filename} may not be written by this account: run `make serve` as its owner, or set HARK_VAR_DIR elsewhere."
    return f"{err.filename or 'The system'}: {err.strerror}; mend that, or set HARK_VAR_DIR to another folder."


def claim_var_folder(var_dir: Path) -> IO[str]:
    """Make the data folder and lock it for this process.

    Raises:
        CannotStart: another supervisor uses it.
        OSError: it cannot be made or written.
    """
    var_dir.mkdir(parents=True, exist_ok=True)
    return lock_folder(var_dir, os.getpid())


def serve(config: ServeConfig, console: Console) -> None:
    """Start everything, run until asked to stop, stop everything.

    Raises:
        StopServing: always, in the end, unless
        CannotStart: something failed that a restart cannot mend.
    """
    record = ChildRecord(config.var_dir / "serve.children")
    if survivors := record.end_survivors():
        console.say(f"Ended what an earlier run had left behind: {', '.join(survivors)}.")
    require_free_port(config.host, config.port)
    supervisor = Supervisor(console, record)
    allow_many_files()
    catch_stop_signals(supervisor)
    try:
        start_everything(supervisor, console, config)
        supervisor.serve()
    finally:
        console.say("Stopping.")
        supervisor.stop()


def catch_stop_signals(supervisor: Supervisor) -> None:
    def request_stop(number: int, _frame: FrameType | None) -> None:
        supervisor.events.put(StopRequested(signal.Signals(number).name))

    for number in STOP_SIGNALS:
        signal.signal(number, request_stop)


def require_free_port(host: str, port: int) -> None:
    """Check that the web server will be able to listen.

    Raises:
        CannotStart: it will not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as err:
        reason = (err.strerror or "no reason given").partition(" (while")[0]  # where Python repeats the address
        raise CannotStart(
            f"The address {host} port {port} cannot be used ({reason}): choose another, for example `make serve PORT={port + 1}`."
        ) from err


def start_everything(supervisor: Supervisor, console: Console, config: ServeConfig) -> None:
    """Returns some seconds after "ready". Inference comes first: its weights load while the database starts."""
    console.say(f"Starting; data is kept in {config.var_dir}.")
    processes = topology.inference_processes(config, this_machine(config.inherited.get("CUDA_VISIBLE_DEVICES")))
    for process in processes:
        supervisor.start(topology.inference(config.inherited | {"HARK_TUNING_FILE": topology.tuning_file(config)}, process))
    wanted = ServiceUrls(config.database_url, config.redis_url)
    urls = start_services(supervisor, console, config.var_dir, wanted, SERVING_OPTIONS)
    settings = topology.hark_settings(config, urls, ensure_secret_key(config.var_dir), processes)
    write_settings(config.var_dir / "serve.env", settings)
    environment = config.inherited | settings
    prepare(supervisor, console, config, environment)
    supervisor.start(topology.web(environment, config.host, config.port))
    await_ready(supervisor, console, config)
    announce(console, config)
    supervisor.start(topology.worker(environment))  # nobody waits for these two, and they would slow the warm-up
    supervisor.start(topology.beat(environment))
    supervisor.wait_until(lambda: False, within_s=SETTLED_AFTER_S)
    supervisor.settle()


def ensure_secret_key(var_dir: Path) -> Path:
    """The file with this installation's secret key; made once, readable by its owner only."""
    path = var_dir / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return path


def write_settings(path: Path, settings: dict[str, str]) -> None:
    """Keep the settings of this run where `make manage` finds them; they hold a password."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()), encoding="utf-8")


def prepare(supervisor: Supervisor, console: Console, config: ServeConfig, environment: dict[str, str]) -> None:
    """Migrate, and make the first administrator; its password is shown here and nowhere else; not where lines are collected."""
    password = secrets.token_urlsafe(12)
    last_line = supervisor.run_once(topology.preparation(environment | {"HARK_ADMIN_PASSWORD": password}))
    if last_line != ADMIN_MADE:
        return
    if console.log_format == "json":
        path = write_password(config.var_dir / "admin_password", password)
        console.say(f"Admin login: user {ADMIN_NAME}; the password is in {path}. Delete that file when you have read it.")
    else:
        console.say(f"Admin login, shown only this once: user {ADMIN_NAME}, password {password}")


def write_password(path: Path, password: str) -> Path:
    """Readable by its owner only."""
    path.touch(mode=0o600)
    path.write_text(f"{password}\n", encoding="ascii")
    return path


def await_ready(supervisor: Supervisor, console: Console, config: ServeConfig) -> None:
    host = topology.url_host(config.host).strip("[]")
    while not supervisor.wait_until(lambda: is_ready(host, config.port), look_every_s=LOOK_EVERY_S, within_s=PATIENCE_S):
        console.say(f"Still waiting for a warm model; running: {', '.join(supervisor.names_running())}.")


def announce(console: Console, config: ServeConfig) -> None:
    origin = f"http://{topology.url_host(config.host)}:{config.port}"
    console.say(f"ready at {origin}/")
    console.say(f"API docs {origin}/api/v1/docs/   admin {origin}/admin/   stream ws{origin.removeprefix('http')}/stream")
    if config.host in topology.WILDCARD_HOSTS:
        others = [f"http://{address}:{config.port}/" for address in topology.own_addresses() if address != "127.0.0.1"]
        console.say(f"other machines reach it at {', '.join(others)}; browsers give them a microphone only over HTTPS.")
    console.say("Ctrl-C stops everything.")


if __name__ == "__main__":
    sys.exit(main())
