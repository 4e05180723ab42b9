"""`python -m benchmarks.network`: 100 sessions over bad networks against a server of its own; a table, and JSON."""

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import benchmarks.network
from asr_project.serve.console import Console
from asr_project.serve.postgres import TESTING_OPTIONS
from asr_project.serve.services import ServiceUrls, start_services
from asr_project.serve.supervisor import Supervisor
from benchmarks.network.campaign import Climate, Plan, plans, play_all
from benchmarks.network.report import as_dict, table
from benchmarks.network.restarts import play_restart
from benchmarks.network.site import TwoWebs
from benchmarks.network.talks import Talk, recorded
from benchmarks.network.verdict import Outcome
from benchmarks.speech import clips, speech_folder
from tests.stack import running_stack

REAL_MODEL = "whisper-tiny.en"
REAL_CLIPS = 5
RESULTS = Path(__file__).resolve().parents[1] / "results"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network",
        description=benchmarks.network.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sessions", type=int, default=100, help="with the scripted engine")
    parser.add_argument("--at-once", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=75.0, help="length of each talk")
    parser.add_argument("--cuts", default="1,5,20", help="lengths in seconds; every session has one of each")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as fast as it was spoken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--real", type=int, default=4, help=f"sessions of recorded speech with {REAL_MODEL}; needs HARK_SPEECH_DIR"
    )
    parser.add_argument("--restarts", type=int, default=2, help="how often a web process is killed, and as often stopped")
    parser.add_argument("--json", type=Path, default=RESULTS / "network.json")
    return parser.parse_args(arguments)


@contextmanager
def services() -> Iterator[tuple[Path, ServiceUrls]]:
    """PostgreSQL and Valkey of our own, and a folder for the rest."""
    folder = Path(tempfile.mkdtemp(prefix="hark-network-"))
    console = Console(StringIO())
    supervisor = Supervisor(console)
    try:
        yield folder, start_services(supervisor, console, folder, ServiceUrls("", ""), TESTING_OPTIONS)
    finally:
        supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)


def scripted_runs(folder: Path, options: argparse.Namespace, cuts_s: tuple[float, ...]) -> dict[str, list[Outcome]]:
    """Sessions with the scripted engine: cuts, then killed and stopped web processes."""
    climate = Climate(options.seconds, cuts_s, options.pace, options.seed)
    runs: dict[str, list[Outcome]] = {}
    with running_stack(folder / "scripted", HARK_MODELS="fake", HARK_MAX_STREAMS="400") as stack:
        site = TwoWebs(stack)
        site.start(1)
        runs["cuts"] = asyncio.run(play_all(site, plans(climate, options.sessions), options.at_once))
        for number in range(options.restarts):
            wanted = calm_plans(climate, number, options.at_once)
            runs.setdefault("web process killed", []).extend(asyncio.run(play_restart(site, wanted, "kill")))
            runs.setdefault("web process stopped", []).extend(asyncio.run(play_restart(site, wanted, "stop")))
    return runs


def calm_plans(climate: Climate, number: int, count: int) -> list[Plan]:
    """Short talks over a network that is not cut: the web process is what fails."""
    short = dataclasses.replace(climate, seconds=20.0, cuts_s=(), lossy_every=0, hops_every=0, seed=climate.seed + number)
    return [dataclasses.replace(plan, is_moved=True) for plan in plans(short, count)]


def real_runs(folder: Path, options: argparse.Namespace, cuts_s: tuple[float, ...]) -> dict[str, list[Outcome]]:
    """Recorded speech: the finals must be those of the undisturbed run, word for word."""
    climate = Climate(options.seconds, cuts_s, options.pace, options.seed, lossy_every=0, hops_every=0)
    wanted = [
        dataclasses.replace(plan, talk=talk)
        for plan, talk in zip(plans(climate, options.real), real_talks(options.real), strict=True)
    ]
    with running_stack(folder / "real", HARK_MODELS=REAL_MODEL, OMP_NUM_THREADS="1") as stack:
        return {REAL_MODEL: asyncio.run(play_all(TwoWebs(stack, num_webs=1), wanted, at_once=2))}


def real_talks(count: int) -> list[Talk]:
    found = [clip for clip in clips(speech_folder(), {"en"}, {"read"}) if 5 < clip.seconds < 15]
    chosen = [found[number * REAL_CLIPS : (number + 1) * REAL_CLIPS] for number in range(count)]
    return [recorded(f"recorded-{number}", part, REAL_MODEL) for number, part in enumerate(chosen)]


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1: a rule was broken."""
    options = parse(arguments)
    cuts_s = tuple(float(length_s) for length_s in options.cuts.split(","))
    runs: dict[str, list[Outcome]] = {}
    with services() as (folder, urls):
        set_environment(folder, urls)
        if options.sessions:
            runs |= scripted_runs(folder, options, cuts_s)
        if options.real:
            runs |= real_runs(folder, options, cuts_s)
    sys.stdout.write(table(runs))
    save(runs, options)
    return int(any(outcome.broken for outcomes in runs.values() for outcome in outcomes))


def set_environment(folder: Path, urls: ServiceUrls) -> None:
    """As the test suite has it: `tests.stack` takes it from here."""
    (folder / "static").mkdir()
    os.environ.update(
        DATABASE_URL=urls.database_url,
        REDIS_URL=urls.redis_url,
        HARK_VAR_DIR=str(folder),
        SECRET_KEY="only-for-benchmarks",  # noqa: S106 -- guards nothing: the server is gone in a moment
        DJANGO_SETTINGS_MODULE="asr_project.settings",
    )


def save(runs: Mapping[str, Sequence[Outcome]], options: argparse.Namespace) -> None:
    found: dict[str, Any] = {"options": {name: str(value) for name, value in vars(options).items()}}
    found["runs"] = {name: [as_dict(outcome) for outcome in outcomes] for name, outcomes in runs.items()}
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
