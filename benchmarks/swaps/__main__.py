"""`python -m benchmarks.swaps`: options, and the order in which things are run. The method is told in the package."""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Final, TypeVar

import psutil
import psycopg

import benchmarks.swaps
from asr_project.serve import topology
from benchmarks.network.__main__ import services, set_environment
from benchmarks.speech import PROJECT_DIR, clips, speech_folder
from benchmarks.streams.__main__ import Bench, machine
from benchmarks.streams.crew import crew
from benchmarks.streams.player import Client, Server, Take
from benchmarks.streams.tape import listen
from benchmarks.swaps.admin_site import AdminSite
from benchmarks.swaps.record import Swap, SwapError, SwapWatch
from benchmarks.swaps.report import text
from benchmarks.swaps.verdict import Verdict, verdict
from tests.stack import HOST, Stack, running_stack

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
SWAP_S: Final = 60.0
"""Speech is kept ready for so long for each swap, its pause included; what is not needed is not played."""
LONGEST_CLIP_S: Final = 30.0
STORED_WITHIN_S: Final = 10.0
FoundT = TypeVar("FoundT")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.swaps",
        description=benchmarks.swaps.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--model", default="whisper-tiny.en", help="of those that come with the project")
    parser.add_argument("--precisions", default="bf16,int8", help="two, between which the swaps go to and fro")
    parser.add_argument("--language", default="en", help="of the clips and of the route")
    parser.add_argument("--inference", type=int, default=2, help="inference processes")
    parser.add_argument("--pause-s", type=float, default=12.0, help="between a swap and the next one")
    parser.add_argument("--calm-s", type=float, default=120.0, help="without swaps, before")
    parser.add_argument("--session-s", type=float, default=60.0, help="length of a session")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the clips")
    parser.add_argument("--json", type=Path, default=RESULTS / "swaps.json")
    return parser.parse_args(arguments)


@contextmanager
def running_server(folder: Path, options: argparse.Namespace) -> Iterator[tuple[Stack, str]]:
    """The whole server, worker and beat included, and the password of its administrator."""
    password = secrets.token_urlsafe(16)
    settings = {"HARK_MODELS": options.model, "HARK_ADMIN_PASSWORD": password, "OMP_NUM_THREADS": "1"}
    with running_stack(folder / "stack", num_inference=options.inference, **settings) as stack:
        stack.spawn(topology.worker(stack.environment))
        stack.spawn(topology.beat(stack.environment))
        yield stack, password


def make_variants(stack: Stack, options: argparse.Namespace) -> list[str]:
    """Their names.

    Raises:
        SwapError: one was refused.
    """
    bench = ["models", "bench", options.model, f"--variants={options.precisions}", f"--precisions={options.precisions}"]
    command = [sys.executable, "manage.py", *bench, "--clips=4", "--rounds=1"]
    subprocess.run(command, env=stack.environment, cwd=PROJECT_DIR, check=True)
    names = [f"{options.model}-{precision}" for precision in options.precisions.split(",")]
    there = {str(name) for (name,) in asked(stack, "SELECT name FROM transcription_asrmodel")}
    if len(names) != 2 or not there.issuperset(names):
        raise SwapError(f"Expected two variants, {' and '.join(names)}; the catalogue has {', '.join(sorted(there))}.")
    return names


def asked(stack: Stack, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(stack.database_url) as connection:
        return connection.execute(query).fetchall()


class Swapper:
    """Puts the first of `names` into service, and lets the two take turns."""

    def __init__(self, stack: Stack, password: str, names: Sequence[str], options: argparse.Namespace) -> None:
        processes = {f"inference-{number}": stack.processes[f"inference-{number}"].pid for number in range(stack.num_inference)}
        self._site = AdminSite(HOST, stack.port, password)
        self._stack = stack
        self._ids = {str(name): int(str(number)) for number, name in asked(stack, "SELECT id, name FROM transcription_asrmodel")}
        self._names = names
        self._options = options
        self.watch = SwapWatch(stack.database_url, {name: psutil.Process(pid) for name, pid in processes.items()})

    def put_into_service(self) -> None:
        self._site.add_route(self._options.language, self._ids[self._names[0]])
        ((swap_id,),) = asked(self._stack, "SELECT id FROM transcription_modelswap")
        found = self.watch.follow(int(str(swap_id)))
        if found.state != "done":
            raise SwapError(f"The route could not be put into service: {found.error}")

    def take_turns(self) -> list[Swap]:
        """Blocks until all swaps are over."""
        ((route_id,),) = asked(self._stack, "SELECT id FROM transcription_modelroute")
        swaps = []
        for name in islice(cycle([self._names[1], self._names[0]]), self._options.swaps):
            time.sleep(self._options.pause_s)
            swap_id = self._site.change_model(int(str(route_id)), self._ids[name])
            swaps.append(self.watch.follow(swap_id))
            print(f"swap {len(swaps)} to {name}: {swaps[-1].state}, {swaps[-1].seconds:.1f} s", flush=True)
        time.sleep(self._options.pause_s)
        return swaps


def speaking(server: Server, clients: Sequence[Client], meanwhile: Callable[[], FoundT]) -> tuple[list[Take], FoundT]:
    """Let clients speak until `meanwhile` has returned, each to the end of his session."""
    with crew(server, clients, num_processes=2) as ready:
        ready.set_off()
        found = meanwhile()
        ready.stop()
        return [take for report in ready.reports() for take in report.takes], found


def run(stack: Stack, password: str, options: argparse.Namespace) -> Verdict:
    """Everything, in the order that the package tells."""
    names = make_variants(stack, options)
    swapper = Swapper(stack, password, names, options)
    swapper.put_into_service()
    chosen = [
        clip for clip in clips(speech_folder(), {options.language}, {"read"}) if clip.seconds < 30 and not clip.by_character
    ]
    server = Server(stack.ws_url, options.language)
    bench = Bench(server, None, [listen(clip) for clip in chosen], {}, seed=options.seed)
    bench.warm_up()
    clients = bench.clients(options.speakers, max(options.calm_s, options.swaps * SWAP_S), options.session_s)
    calm, _ = speaking(server, clients, lambda: time.sleep(options.calm_s))
    before = swapper.watch.rss_mib()
    takes, swaps = speaking(server, clients, swapper.take_turns)
    time.sleep(STORED_WITHIN_S)
    return verdict(calm, takes, swaps, stored(stack), before)


def stored(stack: Stack) -> dict[str, list[str]]:
    """The texts of the finals in the database, by session, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for session, said in asked(stack, "SELECT session_id, text FROM transcription_segment ORDER BY session_id, number"):
        found[str(session)].append(str(said))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1: a rule was broken."""
    options = parse(arguments)
    load_before = os.getloadavg()
    with services() as (folder, urls):
        set_environment(folder, urls)
        with running_server(folder, options) as (stack, password):
            found = run(stack, password, options)
            if found.failures:
                sys.stderr.write(stack.logs())
    sys.stdout.write(text(found))
    loads = {"before": load_before, "after": os.getloadavg()}
    print(f"load average (1, 5, 15 min): {load_before} before, {os.getloadavg()} after, the benchmark itself included")
    told = {"machine": machine(), "load_average": loads, "options": {name: str(value) for name, value in vars(options).items()}}
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(told | found.as_dict(), indent=2), encoding="utf-8")
    return int(bool(found.broken_rules()))


if __name__ == "__main__":
    sys.exit(main())
