"""`python -m inference.bench`, which is also `manage.py models bench`: measure, show, pick, and save where asked to."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from inference.bench import options, speech
from inference.bench.choice import compared, pick
from inference.bench.errors import BenchError
from inference.bench.measure import BATCH, Measurement, Order, best_of, in_own_process, measure, precision_by_rule
from inference.bench.table import Report, as_json, table
from inference.config import InferenceConfig, parse_models
from inference.errors import ConfigError, InferenceError
from inference.tuning import MeasuredPrecision, Tuning, read, this_machine, write

EXIT_FAILED = 3
NICENESS = 10
"""Live streams of a server on the same machine go first; CPU time does not notice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for: the command's options, by name."""

    models: tuple[str, ...]
    precisions: tuple[MeasuredPrecision, ...]
    audio: Path
    language: str
    clips: int
    rounds: int
    step_ms: int
    max_different: float
    json: Path | None
    save: bool


def planned(arguments: Sequence[str], config: InferenceConfig) -> Plan:
    """Read the command line; leaves the process where it cannot be used.

    Raises:
        ConfigError: --models cannot be used.
    """
    parser = ArgumentParser(prog="models bench", description=__doc__)
    options.add_options(parser)
    given = vars(parser.parse_args(arguments))
    models = config.models if given["models"] is None else parse_models(given["models"], "--models")
    return Plan(**given | {"models": models})


def bench(plan: Plan, config: InferenceConfig) -> None:
    """Raises BenchError or InferenceError with a sentence for the operator."""
    found = speech.recordings(plan.audio, plan.language)
    machine = this_machine(config.device)
    say(f"{machine.processor}, torch {machine.torch}, device {machine.device}")
    say(f"CPU time (GPU: time) of a window; a partial every {plan.step_ms} ms of speech; streams per core: {BATCH} at once.\n")
    reports = []
    for model in plan.models:
        order = Order(model, config.device, found, plan.step_ms, plan.clips, config.streaming)
        reports.append(report_on(plan, order))
        say(table(reports[-1]))
    measured_on = datetime.now(UTC).date().isoformat()
    if plan.json is not None:
        write_json(plan.json, {"machine": machine, "measured_on": measured_on, "step_ms": plan.step_ms}, reports)
    if plan.save:
        picks = {report.model: report.pick.precision for report in reports if report.by_rule}
        save(config.tuning_path, Tuning(machine=machine, measured_on=measured_on, picks=picks))
    if config.precision != "auto":
        say(f"HARK_PRECISION={config.precision} is set and stands above every pick.")


def report_on(plan: Plan, order: Order) -> Report:
    """All precisions take turns, so that a busy minute does not fall on one of them alone."""
    rounds: dict[MeasuredPrecision, list[Measurement]] = {precision: [] for precision in plan.precisions}
    for number in range(plan.rounds):
        for precision in list(rounds):
            sys.stderr.write(f"{order.model} in {precision}, round {number + 1} of {plan.rounds} …\n")
            try:
                rounds[precision].append(in_own_process(measure, order, precision))
            except ConfigError as err:
                leave_out(rounds, precision, err)
    rows = compared({precision: best_of(measured) for precision, measured in rounds.items()})
    return Report(order.model, rows, pick(rows, plan.max_different), in_own_process(precision_by_rule, order))


def leave_out(rounds: dict[MeasuredPrecision, list[Measurement]], precision: MeasuredPrecision, err: ConfigError) -> None:
    """Not every device computes in every precision; but all do in the one that the others are compared with."""
    if precision == options.REFERENCE:
        raise err
    sys.stderr.write(f"… left out: {err}\n")
    del rounds[precision]


def write_json(path: Path, facts: dict[str, Any], reports: Sequence[Report]) -> None:
    everything = facts | {"models": [as_json(report) for report in reports]}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")


def save(path: Path, fresh: Tuning) -> None:
    """Picks of models that were not measured this time stay, if they were found on this machine."""
    try:
        kept = read(path)
    except ConfigError as err:
        say(f"{err} It is written anew.")
        kept = None
    if kept is not None and kept.machine == fresh.machine:
        fresh = msgspec.structs.replace(fresh, picks=kept.picks | fresh.picks)
    write(path, fresh)
    say(f"Saved in {path}. Inference processes take it when they start next.")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    try:
        config = InferenceConfig.from_env(listens=False)
        plan = planned(arguments, config)
        os.nice(NICENESS)
        bench(plan, config)
    except (BenchError, InferenceError, OSError) as err:
        sys.stderr.write(f"models bench: {err}\n")
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
