"""Keeps children running: starts them, starts crashed ones again with back-off, stops them stage by stage.

Everything happens on the thread that calls it. The watcher threads of the children and the signal handlers only put
events on one queue; whoever waits here handles them. What the children are is decided in `topology`, not here.
"""

import time
from collections.abc import Callable
from queue import Empty

from asr_project.serve.child import Child, ChildExited, ChildSpec, Events, StopRequested, describe_exit
from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart, StopServing
from asr_project.serve.leftovers import ChildRecord
from asr_project.serve.restarts import Backoff, grace_of_stage_s, stages_of

STOP_WITHIN_S = 30.0
KILLED_WITHIN_S = 5.0


class Supervisor:
    """Runs children until somebody asks it to stop.

    Until `settle` is called, a child that ends by itself is a reason to give up (`CannotStart`): what fails at once
    would fail again. From then on it is started again. One that was killed by a signal is started again at any time.
    """

    def __init__(self, console: Console, record: ChildRecord | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.events: Events = Events()
        self._console = console
        self._record = record
        self._clock = clock
        self._children: dict[str, Child] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._restarts_due_s: dict[str, float] = {}
        self._one_shots: dict[str, int | None] = {}
        self._is_settled = False

    def start(self, spec: ChildSpec) -> None:
        """Start a child that should keep running.

        Raises:
            CannotStart: its program cannot be run.
        """
        self._children[spec.name] = Child(spec, self.events, self._console)
        self._backoffs[spec.name] = Backoff()
        self._launch(spec.name)

    def run_once(self, spec: ChildSpec) -> str:
        """Run a child to its end while the others are watched; returns the last line it said.

        Raises:
            CannotStart: it cannot be run, or did not end well.
            StopServing: a stop was requested meanwhile.
        """
        self._one_shots[spec.name] = None
        self._children[spec.name] = Child(spec, self.events, self._console)
        self._launch(spec.name)
        self.wait_until(lambda: self._one_shots[spec.name] is not None)
        child = self._children.pop(spec.name)
        if code := self._one_shots.pop(spec.name):
            raise CannotStart(_sentence_for_failed_start(child, code))
        return child.last_line

    def wait_until(
        self, is_done: Callable[[], bool], *, look_every_s: float | None = None, within_s: float = float("inf")
    ) -> bool:
        """Handle events until `is_done()`, which is asked after each event and every `look_every_s`; False: time is up.

        Raises:
            CannotStart: a child ended before the supervisor was settled.
            StopServing: a stop was requested.
        """
        deadline_s = self._clock() + within_s
        while not is_done():
            now_s = self._clock()
            if now_s >= deadline_s:
                return False
            self._handle_one(min(deadline_s, now_s + look_every_s if look_every_s else float("inf")))
        return True

    def settle(self) -> None:
        """From now on a child that ends is started again, whatever the reason."""
        self._is_settled = True

    def serve(self) -> None:
        """Handle events until a stop is requested, which ends in `StopServing`."""
        self.wait_until(lambda: False)

    def names_running(self) -> list[str]:
        return [name for name, child in self._children.items() if child.is_running]

    def pid_of(self, name: str) -> int | None:
        return self._children[name].pid

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Stop every child, stage by stage; a second request to stop kills what is left."""
        self._restarts_due_s.clear()
        deadline_s = self._clock() + within_s
        stages = stages_of([child.spec.stop_stage for child in self._children.values()])
        for position, stage in enumerate(stages):
            children = [child for child in self._children.values() if child.spec.stop_stage == stage and child.is_running]
            wanted_s = max((child.spec.grace_s for child in children), default=0.0)
            self._stop_together(children, grace_of_stage_s(wanted_s, deadline_s - self._clock(), len(stages) - 1 - position))
        if self._record:
            self._record.clear()

    def _stop_together(self, children: list[Child], grace_s: float) -> None:
        for child in children:
            child.send(child.spec.stop_signal)
        if self._wait_for_ends(children, grace_s):
            return
        for child in children:
            if child.is_running:
                self._console.say(f"{child.spec.name} did not stop within {grace_s:g} s and is killed.", "WARNING")
                child.kill()
        self._wait_for_ends(children, KILLED_WITHIN_S)

    def _wait_for_ends(self, children: list[Child], within_s: float) -> bool:
        """Whether all have ended; False when time is up or somebody is in a hurry."""
        deadline_s = self._clock() + within_s
        while any(child.is_running for child in children):
            event = self._next_event(deadline_s)
            if event is None or isinstance(event, StopRequested):
                return False
        return True

    def _handle_one(self, until_s: float) -> None:
        """Wait for one event or a restart that falls due, at most until `until_s` on the clock, and act on it."""
        event = self._next_event(min([until_s, *self._restarts_due_s.values()]))
        match event:
            case StopRequested():
                raise StopServing(event.signal_name)
            case ChildExited(name=name) if name in self._one_shots:
                self._one_shots[name] = event.code
            case ChildExited():
                self._handle_exit(event)
            case None:
                self._start_due()

    def _next_event(self, until_s: float) -> ChildExited | StopRequested | None:
        timeout_s = None if until_s == float("inf") else max(0.0, until_s - self._clock())
        try:
            return self.events.get(timeout=timeout_s)
        except Empty:
            return None

    def _handle_exit(self, exited: ChildExited) -> None:
        if exited.code >= 0 and not self._is_settled:
            raise CannotStart(_sentence_for_failed_start(self._children[exited.name], exited.code))
        delay_s = self._backoffs[exited.name].delay_after(exited.ran_s)
        end = describe_exit(exited.code)
        self._console.say(f"{exited.name} stopped ({end}); it is started again in {delay_s:g} s.", "ERROR")
        self._restarts_due_s[exited.name] = self._clock() + delay_s

    def _start_due(self) -> None:
        now_s = self._clock()
        for name in [name for name, due_s in self._restarts_due_s.items() if due_s <= now_s]:
            del self._restarts_due_s[name]
            self._launch(name)

    def _launch(self, name: str) -> None:
        child = self._children[name]
        try:
            child.start()
        except OSError as err:
            raise CannotStart(f"{name} cannot be run ({err}): run `make reinstall`.") from err
        if self._record and child.pid:
            self._record.add(child.spec, child.pid)


def _sentence_for_failed_start(child: Child, code: int) -> str:
    last_line = child.last_line.removeprefix(f"{child.spec.name}: ").rstrip(".")
    said = f": {last_line}" if last_line else ""
    advice = f" {child.spec.advice}" if child.spec.advice else ""
    return f"{child.spec.name} could not start ({describe_exit(code)}){said}.{advice}"
