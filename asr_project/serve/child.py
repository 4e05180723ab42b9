"""One supervised process: start, relay its output, notice its end or its silence, signal it.

A child leads its own session, so the terminal's Ctrl-C never reaches it, and on Linux the kernel signals it when the
supervisor dies, however that happens. Its whole process group is killed once its leader has ended.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from asr_project.serve.accounts import Account
from asr_project.serve.console import Console, sentence_of

PR_SET_PDEATHSIG = 1
LAST_OUTPUT_WAIT_S = 1.0
LOOK_EVERY_S = 3.0
MAX_SILENT_LOOKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How a child is run.

    Attributes:
        stop_stage: children are stopped in ascending stages.
        grace_s: how long it may take to obey `stop_signal`.
        log_path: file for its output; None relays it to the console.
        account: whom it runs as; None for the supervisor's own.
        advice: what to do when it cannot start, for the end of an error sentence.
        is_silent: whether it hangs; may block, and is asked on a thread of its own. One that is silent for three looks is killed.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    stop_stage: int
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 5.0
    log_path: Path | None = None
    account: Account | None = None
    advice: str = ""
    is_silent: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class ChildExited:
    """`code` as subprocess counts: negative for a signal."""

    name: str
    code: int
    ran_s: float


@dataclass(frozen=True, slots=True)
class StopRequested:
    signal_name: str


Events = SimpleQueue[ChildExited | StopRequested]


def describe_exit(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def follow_parent(parent_pid: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child runs between fork and exec so that it dies with its parent; None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def before_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent_pid:  # the parent died before the line above
            os._exit(1)

    return before_exec


class Child:
    """A process that can be started again after it has ended. Every end is put on `events`, once."""

    def __init__(self, spec: ChildSpec, events: Events, console: Console) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.last_line = ""
        self._events = events
        self._console = console
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    def start(self) -> None:
        """Must be called on the main thread: the kernel ties the death signal to the thread that forks.

        Raises:
            OSError: the program cannot be run.
        """
        process = self._spawn()
        self.pid = process.pid
        has_ended = threading.Event()
        self._on_thread("watch", self._watch, process, time.monotonic(), has_ended)
        if self.spec.is_silent is not None:
            self._on_thread("guard", self._guard, self.spec.is_silent, has_ended)

    def send(self, signal_number: signal.Signals) -> None:
        with self._lock:
            if self.pid is not None:
                os.kill(self.pid, signal_number)

    def kill(self) -> None:
        """Kill it with everything it has started."""
        with self._lock:
            if self.pid is not None:
                os.killpg(self.pid, signal.SIGKILL)

    def _spawn(self) -> subprocess.Popen[bytes]:
        spec = self.spec
        account = spec.account
        log = spec.log_path.open("ab") if spec.log_path else None
        try:
            return subprocess.Popen(
                spec.command,
                env=dict(spec.environment),
                cwd=spec.folder,
                stdin=subprocess.DEVNULL,
                stdout=log or subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=follow_parent(os.getpid(), spec.stop_signal),
            )
        finally:
            if log:
                log.close()

    def _on_thread(self, task: str, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, name=f"{task}-{self.spec.name}", daemon=True)
        thread.start()
        return thread

    def _guard(self, is_silent: Callable[[], bool], has_ended: threading.Event) -> None:
        """Kill the process when it hangs; its end is then handled like any other."""
        num_silent = 0
        while num_silent < MAX_SILENT_LOOKS and not has_ended.wait(LOOK_EVERY_S):
            num_silent = num_silent + 1 if is_silent() else 0
        if not has_ended.is_set():
            self._console.say(f"{self.spec.name} does not answer any more and is killed.", "ERROR")
            self.kill()

    def _watch(self, process: subprocess.Popen[bytes], started_s: float, has_ended: threading.Event) -> None:
        reader = self._on_thread("relay", self._relay, process.stdout)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:  # the leader is not reaped yet, so its process group id cannot belong to anybody else
            with suppress(PermissionError):  # how macOS says that only the leader's remains are left
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            self.pid = None
        has_ended.set()
        reader.join(LAST_OUTPUT_WAIT_S)
        self._events.put(ChildExited(self.spec.name, code, time.monotonic() - started_s))

    def _relay(self, output: IO[bytes] | None) -> None:
        if output is None:
            return
        with output:
            for raw_line in output:
                line = raw_line.decode(errors="replace").rstrip()
                if line:
                    self.last_line = sentence_of(line)
                    self._console.relay(self.spec.name, line)
