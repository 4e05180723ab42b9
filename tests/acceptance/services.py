"""A PostgreSQL or a Valkey of a test's own, which it may freeze, stop and start without disturbing anybody else."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import psutil

from asr_project.serve.child import Child, ChildSpec, Events
from asr_project.serve.console import Console
from asr_project.serve.postgres import TESTING_OPTIONS, Postgres, prepare_postgres
from asr_project.serve.valkey import prepare_valkey
from tests.inference.worker import wait_until


@dataclass
class Service:
    """`start` must be called on the main thread; the kernel ties the child's life to the thread that forks it."""

    spec: ChildSpec
    url: str
    answers: Callable[[], bool]

    def __post_init__(self) -> None:
        self.child = Child(self.spec, Events(), Console(StringIO()))

    def start(self) -> None:
        self.child.start()
        wait_until(self.answers)

    def stop(self) -> None:
        """In order, as an operator would."""
        self.child.send(self.spec.stop_signal)
        wait_until(lambda: not self.child.is_running)

    def freeze(self) -> None:
        """Every process of it: sockets stay open, nobody answers."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        for process in self._processes():
            process.resume()

    def kill(self) -> None:
        processes = self._processes()
        self.child.kill()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        wait_until(lambda: not self.child.is_running)

    def _processes(self) -> list[psutil.Process]:
        if self.child.pid is None:
            return []
        try:
            leader = psutil.Process(self.child.pid)
            return [leader, *leader.children(recursive=True)]  # the leader first: then nobody new is born
        except psutil.NoSuchProcess:
            return []


@contextmanager
def own_postgres(**options: str) -> Iterator[tuple[Service, Postgres]]:
    """An empty one with a database; its log is `Postgres.log`."""
    with _short_folder() as folder:
        postgres = prepare_postgres(folder, Console(StringIO()), TESTING_OPTIONS | options)
        with _running(Service(postgres.spec(), postgres.url(), postgres.answers)) as service:
            postgres.ensure_database()
            yield service, postgres


@contextmanager
def own_valkey() -> Iterator[Service]:
    with _short_folder() as folder:
        valkey = prepare_valkey(folder)
        with _running(Service(valkey.spec(), valkey.url, valkey.answers)) as service:
            yield service


@contextmanager
def _running(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        service.kill()


@contextmanager
def _short_folder() -> Iterator[Path]:
    """For sockets, whose paths must be short."""
    folder = Path(tempfile.mkdtemp(prefix="hark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
