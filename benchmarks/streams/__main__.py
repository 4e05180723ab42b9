"""`python -m benchmarks.streams`: options, and the order in which things are run. The method is told in the package."""

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

import benchmarks.streams
from benchmarks.speech import PROJECT_DIR, clips, speech_folder
from benchmarks.streams.crew import crew
from benchmarks.streams.player import FRAME_MS, Client, Report, Server, Take
from benchmarks.streams.report import block, drift_table, table
from benchmarks.streams.tape import Sound, deal, listen
from benchmarks.streams.verdict import Drift, Result, drift, result
from benchmarks.streams.watch import Look, ServerWatch, server_root
from benchmarks.streams.whole import whole_texts

STAGGER_S: Final = 2.0
REST_S: Final = 3.0
WARM_UP_S: Final = 8.0
LOOK_EVERY_S: Final = 2.0
EDGE_S: Final = 300.0
CACHE: Final = PROJECT_DIR / "var" / "benchmarks" / "offline-texts.json"


@dataclass(frozen=True, slots=True)
class Bench:
    """What stays the same from one number of streams to the next. `root`: the server's process tree, where it can be seen."""

    server: Server
    root: psutil.Process | None
    sounds: Sequence[Sound]
    whole: dict[str, str]
    num_processes: int = 2
    seed: int = 0
    finalizes: bool = False
    max_age_ms: float | None = None

    def clients(self, num_streams: int, seconds: float, session_s: float) -> list[Client]:
        """Clients that speak for `seconds`, in sessions of `session_s`."""
        num_sessions = max(1, round(seconds / session_s))
        tapes = deal(self.sounds, num_streams * num_sessions, seconds / num_sessions, self.seed, finalizes=self.finalizes)
        delays_s = [STAGGER_S * (number * 0.618 % 1) for number in range(num_streams)]  # spread evenly, in no order
        return [Client(number, delay_s, tuple(tapes[number::num_streams])) for number, delay_s in enumerate(delays_s)]

    def play(self, clients: Sequence[Client]) -> tuple[list[Report], list[Look]]:
        with crew(self.server, clients, self.num_processes) as ready:
            if self.root is None:
                ready.set_off()
                return ready.reports(), []
            watch = ServerWatch(self.root)
            with watch.looking(LOOK_EVERY_S):
                ready.set_off()
                return ready.reports(), watch.looks

    def warm_up(self) -> None:
        """What a server does only once is no part of what it does for long."""
        self.play(self.clients(1, WARM_UP_S, WARM_UP_S))


def ladder(
    bench: Bench, steps: Sequence[int], seconds: float, tell: Callable[[str], object], *, to_the_end: bool
) -> list[Result]:
    """Run with each number of streams, up to the first that breaks."""
    results: list[Result] = []
    for num_streams in steps:
        reports, looks = bench.play(bench.clients(num_streams, seconds, seconds))
        results.append(result(num_streams, reports, looks, bench.whole, bench.max_age_ms))
        tell(block(results[-1]))
        if results[-1].broken_rules() and not to_the_end:
            break
        time.sleep(REST_S)
    return results


def soak(bench: Bench, num_streams: int, seconds: float, session_s: float) -> tuple[Result, Drift, list[Look]]:
    """One long run."""
    reports, looks = bench.play(bench.clients(num_streams, seconds, session_s))
    takes: list[Take] = [take for report in reports for take in report.takes]
    return result(num_streams, reports, looks, bench.whole, bench.max_age_ms), drift(takes, EDGE_S), looks


def machine() -> dict[str, Any]:
    return {"processor": processor_name(), "cores": psutil.cpu_count(), "memory_mib": psutil.virtual_memory().total >> 20}


def processor_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="ascii", errors="replace").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.streams",
        description=benchmarks.streams.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", default="ws://127.0.0.1:8000/stream")
    parser.add_argument("--streams", default="1,2,4,8,12,16,20,24,30", help="how many at the same time, with commas between")
    parser.add_argument("--seconds", type=float, default=60.0, help="each client speaks at least this long")
    parser.add_argument("--all", action="store_true", help="go on with more streams after the first that broke")
    parser.add_argument("--minutes", type=float, help="a long run instead: with the first of --streams")
    parser.add_argument(
        "--session-s", type=float, help="with --minutes: length of a session; default: one long session per client"
    )
    parser.add_argument("--finalize", action="store_true", help="one stream that sends finalize after each clip")
    parser.add_argument("--speech", type=Path, help="folder of the recordings; default: HARK_SPEECH_DIR")
    parser.add_argument("--kinds", default="read", help="kinds of speech, or corpora, with commas between")
    parser.add_argument("--scenario", default="", help="what the sessions ask for besides")
    parser.add_argument(
        "--frame-ms", type=int, default=FRAME_MS, help="audio that a client sends at a time; default: %(default)s"
    )
    parser.add_argument("--max-age-ms", type=float, help="it breaks too where partial age p95 is above this")
    parser.add_argument("--language", default="en", help="of the clips, and what the sessions ask for")
    parser.add_argument("--model", default="whisper-tiny.en", help="what the server uses for the language; for the offline texts")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file of the offline texts, of one set of weights")
    parser.add_argument("--processes", type=int, default=2, help="of clients")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the clips")
    parser.add_argument("--server-pid", type=int, help="process whose tree is watched; default: found by the port of --url")
    parser.add_argument("--unwatched", action="store_true", help="the server runs on another machine: no CPU, no memory")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--plot", type=Path, help="draw them here (.svg, .png)")
    return parser.parse_args(arguments)


def prepare(options: argparse.Namespace) -> Bench:
    kinds = set(options.kinds.split(","))
    chosen = [
        clip
        for clip in clips(options.speech or speech_folder(), {options.language}, kinds)
        if clip.seconds < 30 and not clip.by_character
    ]
    root = None
    if not options.unwatched:
        root = psutil.Process(options.server_pid) if options.server_pid else server_root(urlsplit(options.url).port or 80)
    return Bench(
        server=Server(options.url, options.language, options.scenario, options.frame_ms),
        root=root,
        sounds=[listen(clip) for clip in chosen],
        whole=whole_texts(chosen, options.model, options.cache),
        num_processes=options.processes,
        seed=options.seed,
        finalizes=options.finalize,
        max_age_ms=options.max_age_ms,
    )


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    bench = prepare(options)
    bench.warm_up()
    steps = [1] if options.finalize else [int(number) for number in options.streams.split(",")]
    found: dict[str, Any] = {"machine": machine(), "options": {name: str(value) for name, value in vars(options).items()}}
    if options.minutes:
        seconds = options.minutes * 60
        whole_run, changed, looks = soak(bench, steps[0], seconds, options.session_s or seconds)
        sys.stdout.write(f"{block(whole_run)}\n{drift_table(changed)}\n")
        found |= {
            "results": [whole_run.as_dict()],
            "drift": changed.as_dict(),
            "looks": [dataclasses.asdict(look) for look in looks],
        }
    else:
        results = ladder(bench, steps, options.seconds, lambda text: print(text, flush=True), to_the_end=options.all)
        sys.stdout.write(table(results))
        found["results"] = [each.as_dict() for each in results]
    save(found, options)


def save(found: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if options.plot:
        from benchmarks.streams.plot import draw  # matplotlib: only when asked for

        draw(found, options.plot)


if __name__ == "__main__":
    main()
