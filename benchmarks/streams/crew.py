"""The processes full of clients: started, set off together, and asked for what they saw."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

from benchmarks.streams.player import Client, Report, Server, work

HEAD_START_S: Final = 0.5
LEAVES_WITHIN_S: Final = 10.0


class CrewError(Exception):
    """A process of clients has died: the figures would be of fewer clients than they say."""


class Crew:
    """Clients spread over processes, ready to play."""

    def __init__(self, members: Sequence[tuple[BaseProcess, Connection]]) -> None:
        self._members = members

    def await_ready(self) -> None:
        for _process, pipe in self._members:
            _answer(pipe)

    def set_off(self) -> None:
        start_s = time.monotonic() + HEAD_START_S
        for _process, pipe in self._members:
            pipe.send(start_s)

    def stop(self) -> None:
        """Let nobody begin another session; those that go on are played to their end."""
        for _process, pipe in self._members:
            pipe.send("stop")

    def reports(self) -> list[Report]:
        """Blocks until all have played."""
        found = [_answer(pipe) for _process, pipe in self._members]
        return [report for report in found if isinstance(report, Report)]


@contextmanager
def crew(server: Server, clients: Sequence[Client], num_processes: int) -> Iterator[Crew]:
    """Start the processes, and wait until all have decoded their audio."""
    context = multiprocessing.get_context("spawn")
    members: list[tuple[BaseProcess, Connection]] = []
    try:
        for place in range(min(num_processes, len(clients))):
            here, there = context.Pipe()
            share = clients[place::num_processes]
            process: BaseProcess = context.Process(target=work, args=(there, server, share), daemon=True)
            process.start()
            there.close()
            members.append((process, here))
        ready = Crew(members)
        ready.await_ready()
        yield ready
    finally:
        for process, pipe in members:
            pipe.close()
            process.join(LEAVES_WITHIN_S)
            process.kill()


def _answer(pipe: Connection) -> object:
    try:
        return pipe.recv()
    except EOFError as err:
        raise CrewError("A process of clients has ended before its time; what it said stands above.") from err
