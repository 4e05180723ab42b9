"""`python -m benchmarks.connections`: options, and the order in which things are run. The method is told in the package."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import benchmarks.connections
from benchmarks.connections.crowd import Address, Opened, Streamed, work
from benchmarks.connections.report import Figures, block, table
from benchmarks.connections.server import HOST, SERVERS, Wanted, running_server
from benchmarks.connections.usage import Usage, usage
from benchmarks.speech import clips, speech_folder
from benchmarks.streams.__main__ import machine
from benchmarks.streams.crew import crew
from benchmarks.streams.figures import Delays, Summary, plateau, summary
from benchmarks.streams.player import Client, Server, Take
from benchmarks.streams.tape import Sound, deal, listen

STAGGER_S: Final = 2.0
WARM_UP_S: Final = 8.0
SETTLE_S: Final = 8.0
"""Quiet streams have reached their full size by then."""
KIB: Final = 1024


class Bench:
    """One server and its clients."""

    def __init__(self, port: int, pipe: Connection, sounds: list[Sound], options: argparse.Namespace) -> None:
        self.url = f"ws://{HOST}:{port}/stream"
        self.pipe = pipe
        self.sounds = sounds
        self.options = options

    def speak(self, num_speakers: int, seconds: float) -> dict[str, Summary]:
        """Delays of that many speakers, while all were speaking."""
        if not num_speakers:
            return Delays().summaries()
        tapes = deal(self.sounds, num_speakers, seconds, seed=0)
        clients = [Client(number, STAGGER_S * number / num_speakers, (tape,)) for number, tape in enumerate(tapes)]
        with crew(Server(self.url, "en"), clients, 1) as ready:
            ready.set_off()
            takes = [take for report in ready.reports() for take in report.takes]
        return _delays(takes)

    def open(self) -> tuple[Opened, dict[str, int]]:
        self.pipe.send("open")
        opened, failures = self.pipe.recv()
        return opened, dict(failures)

    def stream(self, seconds: float) -> Streamed:
        """Quiet streaming for `seconds`."""
        self.pipe.send("stream")
        time.sleep(seconds)
        return self.stop_streaming()

    def stop_streaming(self) -> Streamed:
        self.pipe.send("stop")
        found: Streamed = self.pipe.recv()
        return found

    def run(self) -> Figures:
        """Everything, in the order that the package tells."""
        options = self.options
        self.speak(min(1, options.speakers), WARM_UP_S)
        alone = self.speak(options.speakers, options.seconds)
        before = usage()
        opened, failures = self.open()
        self.stream(SETTLE_S)
        start = usage()
        streamed = self.stream(options.quiet_seconds)
        end = usage()
        self.pipe.send("stream")
        together = self.speak(options.speakers, options.seconds)
        beside = self.stop_streaming()
        return Figures(
            server=options.server_now,
            num_sockets=options.sockets,
            num_ready=opened.num_ready,
            num_lost=beside.num_lost,
            opened_per_s=opened.num_ready / opened.seconds,
            frames_per_s=streamed.num_frames / streamed.seconds,
            web_us_per_frame=_cpu_s(start, end, "web") / max(1, streamed.num_frames) * 1e6,
            inference_us_per_stream_s=_cpu_s(start, end, "inference") / max(1, opened.num_ready) / streamed.seconds * 1e6,
            web_kib=_grown_kib(before, end, "web") / max(1, opened.num_ready),
            inference_kib=_grown_kib(before, end, "inference") / max(1, opened.num_ready),
            web_cores=_cpu_s(start, end, "web") / streamed.seconds,
            inference_cores=_cpu_s(start, end, "inference") / streamed.seconds,
            client_cores=streamed.cpu_s / streamed.seconds,
            late=summary(beside.late_ms),
            ping=summary(beside.ping_ms),
            alone=alone["end_to_final"],
            together=together["end_to_final"],
            first_text_alone=alone["first_text"],
            first_text_together=together["first_text"],
            failures=failures,
            heard=dict(beside.heard),
        )


def _delays(takes: list[Take]) -> dict[str, Summary]:
    delays = Delays()
    for take in takes:
        if take.failure:
            sys.stderr.write(f"speaker {take.client}: {take.failure}\n")
        delays.add(take)
    return delays.within(plateau(takes)).summaries()


def _cpu_s(start: dict[str, Usage], end: dict[str, Usage], role: str) -> float:
    return end[role].cpu_s - start[role].cpu_s


def _grown_kib(start: dict[str, Usage], end: dict[str, Usage], role: str) -> float:
    return (end[role].rss_bytes - start[role].rss_bytes) / KIB


@contextmanager
def crowd(address: Address, num_sockets: int) -> Iterator[Connection]:
    """The pipe to a process with the quiet clients."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, address, num_sockets), daemon=True)
    process.start()
    there.close()
    try:
        here.recv()
        yield here
    finally:
        process.kill()
        process.join()


def measure(kind: str, options: argparse.Namespace, sounds: list[Sound]) -> Figures:
    wanted = Wanted(kind, options.server_cores, options.models, options.inference, options.sockets + options.speakers + 16)
    options.server_now = kind
    with running_server(wanted) as port, crowd(Address(HOST, port), options.sockets) as pipe:
        return Bench(port, pipe, sounds, options).run()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.connections",
        description=benchmarks.connections.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sockets", type=int, default=2000, help="quiet connections")
    parser.add_argument("--speakers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the speakers speak, alone and together")
    parser.add_argument("--quiet-seconds", type=float, default=20.0, help="how long CPU time per frame is counted")
    parser.add_argument("--server", default="uvicorn", help=f"one or more of {', '.join(SERVERS)}, with commas between")
    parser.add_argument("--server-cores", default="0,1", help='as taskset takes them; "" for all')
    parser.add_argument("--client-cores", default="1", help="the same for the clients")
    parser.add_argument("--models", default="whisper-tiny.en", help="as HARK_MODELS")
    parser.add_argument("--inference", type=int, default=1, help="inference processes")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.client_cores:
        os.sched_setaffinity(0, {int(core) for core in options.client_cores.split(",")})
    sounds = [listen(clip) for clip in clips(speech_folder(), {"en"}, {"read"}) if clip.seconds < 30]
    rows: list[Figures] = []
    for kind in options.server.split(","):
        rows.append(measure(kind, options, sounds))
        print(block(rows[-1]), flush=True)
    sys.stdout.write(table(rows))
    if options.json:
        found: dict[str, Any] = {"machine": machine(), "options": {name: str(value) for name, value in vars(options).items()}}
        options.json.write_text(json.dumps(found | {"rows": [each.as_dict() for each in rows]}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
