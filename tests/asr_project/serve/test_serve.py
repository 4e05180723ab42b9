"""`make serve` from the first line to the last with a real database, Valkey, migration, worker and beat.

Only the model and the web server are small stand-ins here; tests/integration runs the real ones.
"""

import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from asr_project.serve import __main__ as main
from asr_project.serve import topology
from asr_project.serve.child import ChildSpec
from asr_project.serve.config import ServeConfig
from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart, StopServing
from asr_project.serve.prepare import ADMIN_MADE

MODEL = "import time; time.sleep(60)"
ANSWER_READYZ = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


class CtrlCOnceReady(StringIO):
    """A terminal whose user presses Ctrl-C as soon as Hark says that it is ready."""

    def write(self, text: str) -> int:
        if "ready at" in text:
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory) -> ServeConfig:
    return ServeConfig(
        host="127.0.0.1",
        port=free_port(),
        var_dir=tmp_path_factory.mktemp("var"),
        database_url="",
        redis_url="",
        inference_addresses=(),
        num_inference_processes=2,
        has_secret_key=False,
        has_allowed_hosts=False,
        inherited={"PATH": os.environ["PATH"]},
    )


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    def child(name: str, *arguments: str) -> ChildSpec:
        return ChildSpec(name=name, command=(sys.executable, "-c", *arguments), environment={}, folder=Path("/"), stop_stage=0)

    monkeypatch.setattr(topology, "inference", lambda _environment, process: child(process.name, MODEL))
    monkeypatch.setattr(topology, "web", lambda _environment, host, port: child("web", ANSWER_READYZ, host, str(port)))


@pytest.fixture(autouse=True)
def restore_signals() -> Iterator[None]:
    """Serving catches signals for the whole process; give them back to pytest."""
    before = {number: signal.getsignal(number) for number in main.STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def serve_until_ready(config: ServeConfig) -> str:
    """What the terminal shows from the start to the end that Ctrl-C brings."""
    terminal = CtrlCOnceReady()
    with pytest.raises(StopServing):
        main.serve(config, Console(terminal))
    return terminal.getvalue()


@pytest.mark.integration
@pytest.mark.usefixtures("stand_ins")
def test_the_login_is_shown_on_the_first_start_only_and_the_second_start_works(config: ServeConfig) -> None:
    first = serve_until_ready(config)
    second = serve_until_ready(config)
    assert first.count("Admin login, shown only this once: user admin, password ") == 1
    assert "password" not in second
    assert f"ready at http://127.0.0.1:{config.port}/" in second
    assert threading.active_count() < 20


@pytest.mark.integration
@pytest.mark.usefixtures("stand_ins")
def test_secrets_are_readable_by_their_owner_only(config: ServeConfig) -> None:
    serve_until_ready(config)
    for name in ("secret_key", "serve.env", "valkey/valkey.conf"):
        assert stat.S_IMODE((config.var_dir / name).stat().st_mode) == 0o600, name


def test_a_port_in_use_is_named_before_anything_starts(config: ServeConfig) -> None:
    terminal = StringIO()
    with (
        socket.create_server((config.host, config.port)),
        pytest.raises(CannotStart, match=rf"port {config.port} cannot be used \(Address already in use\): choose another"),
    ):
        main.serve(config, Console(terminal))
    assert terminal.getvalue() == ""


def test_a_data_folder_that_may_not_be_written_is_named() -> None:
    sentence = main.sentence_for_os_error(PermissionError(13, "Permission denied", "/srv/hark/serve.lock"))
    assert sentence.startswith("/srv/hark/serve.lock may not be written by this account: run `make serve` as its owner")


class MakesAdministrator:
    """A supervisor whose preparation makes the first one. `password`: the one that it was given."""

    password = ""

    def run_once(self, spec: ChildSpec) -> str:
        self.password = spec.environment["HARK_ADMIN_PASSWORD"]
        return ADMIN_MADE


def test_where_lines_are_collected_the_first_password_is_in_a_file_of_its_owner(config: ServeConfig) -> None:
    supervisor, output = MakesAdministrator(), StringIO()

    main.prepare(supervisor, Console(output, "json"), config, {})  # type: ignore[arg-type]  # run_once is all that it asks for

    path = config.var_dir / "admin_password"
    assert path.read_text() == f"{supervisor.password}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert supervisor.password not in output.getvalue()
    assert str(path) in output.getvalue()


def test_the_secret_key_is_made_once(tmp_path: Path) -> None:
    first = main.ensure_secret_key(tmp_path).read_text()
    assert len(first) > 50
    assert main.ensure_secret_key(tmp_path).read_text() == first
