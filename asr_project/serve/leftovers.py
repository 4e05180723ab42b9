"""What an earlier run may have left behind: a lock that says whether it still runs, and children that outlived it."""

import fcntl
import json
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

from asr_project.serve.child import ChildSpec
from asr_project.serve.errors import CannotStart

ENDS_WITHIN_S = 10.0


def lock_folder(folder: Path, own_pid: int) -> IO[str]:
    """Make this process the only supervisor of `folder`; the lock lasts as long as the returned file stays open.

    Raises:
        CannotStart: another supervisor holds it.
    """
    lock = (folder / "serve.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise CannotStart(
            f"Hark already runs on {folder} (process {owner}): stop it first, or set HARK_VAR_DIR to another folder."
        ) from err
    lock.truncate(0)
    lock.write(str(own_pid))
    lock.flush()
    return lock


@dataclass(frozen=True, slots=True)
class RecordedChild:
    """A process that was started once. `created_s` (Unix time) tells it from a stranger that got its number later."""

    name: str
    pid: int
    created_s: float
    stop_signal: int

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if process.create_time() == self.created_s and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


class ChildRecord:
    """The children of this run, kept in a file for the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, spec: ChildSpec, pid: int) -> None:
        with suppress(psutil.NoSuchProcess):  # it has ended already
            child = RecordedChild(spec.name, pid, psutil.Process(pid).create_time(), int(spec.stop_signal))
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(child)) + "\n")

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def read(self) -> list[RecordedChild]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [child for line in lines if (child := _parse(line))]

    def end_survivors(self) -> list[str]:
        """End every recorded child that still runs, by force if it must be; returns their names."""
        survivors = [(child, process) for child in self.read() if (process := child.find())]
        for child, process in survivors:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.Signals(child.stop_signal))
        _gone, alive = psutil.wait_procs([process for _child, process in survivors], timeout=ENDS_WITHIN_S)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=ENDS_WITHIN_S)
        self.clear()
        return [child.name for child, _process in survivors]


def _parse(line: str) -> RecordedChild | None:
    """None for a line that a crash cut short."""
    try:
        return RecordedChild(**json.loads(line))
    except (ValueError, TypeError):
        return None
