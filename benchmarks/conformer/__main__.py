"""`python -m benchmarks.conformer`: options, and what is run. The method is told in the package."""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import benchmarks.conformer
from benchmarks.conformer import edge, steps, workers
from benchmarks.conformer.models import SIZES
from benchmarks.speech import PROJECT_DIR

DATA: Final = PROJECT_DIR.parent / "shared" / "train"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conformer",
        description=benchmarks.conformer.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", default=",".join(SIZES), help="millions of parameters; default: %(default)s")
    parser.add_argument("--runtimes", default="torch,openvino,onnx", help="default: %(default)s")
    parser.add_argument("--precisions", default="fp32,bf16,int8", help="default: %(default)s")
    parser.add_argument("--batches", default="1,8,32,64", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=12, help="steps of each cell; default: %(default)s")
    parser.add_argument("--workers", action="store_true", help="two workers against one instead")
    parser.add_argument("--edge", action="store_true", help="conformer-edge instead")
    parser.add_argument("--data", type=Path, default=DATA, help="with --edge: folder with manifest.jsonl; default: %(default)s")
    parser.add_argument("--limit", type=int, help="with --edge: utterances of each domain")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    kinds = steps.kinds_of(options.runtimes.split(","), options.precisions.split(","))
    if not kinds:
        raise SystemExit(f"Nothing to measure: {options.runtimes} do not compute in {options.precisions}.")
    if options.workers:
        found = _workers(options, kinds)
    elif options.edge:
        found = _edge(options, kinds)
    else:
        found = _steps(options, kinds)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


def _steps(options: argparse.Namespace, kinds: list[Any]) -> list[dict[str, Any]]:
    """Each size in a process of its own, with nothing of the others in memory."""
    effort = steps.Effort([int(batch) for batch in options.batches.split(",")], options.rounds)
    found: list[steps.Row] = []
    for millions in options.sizes.split(","):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            rows = pool.submit(steps.rows_of, millions, kinds, effort).result()
        sys.stdout.write(steps.table(rows))
        sys.stdout.flush()
        found += rows
    return [asdict(row) | {"streams_per_core": round(row.streams_per_core, 1)} for row in found]


def _workers(options: argparse.Namespace, kinds: list[Any]) -> list[dict[str, Any]]:
    found = []
    for millions in options.sizes.split(","):
        for runtime, precision in kinds:
            found.append(workers.measured(workers.Order(millions, runtime, precision)))
            sys.stdout.write(found[-1].line())
            sys.stdout.flush()
    return [asdict(each) for each in found]


def _edge(options: argparse.Namespace, kinds: list[Any]) -> list[dict[str, Any]]:
    found = []
    for line in edge.lines(options.data, kinds, options.limit):
        sys.stdout.write(line.text())
        sys.stdout.flush()
        found.append(asdict(line))
    return found


if __name__ == "__main__":
    main()
