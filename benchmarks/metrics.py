"""What metrics cost: processor time of all that is counted, looked at and stored while sixteen people talk, or are quiet.

Not the difference of two runs of a server: that is smaller than what one run differs from the next. What a server does for
metrics is done here alone, as often as in a minute of sixteen streams (`benchmarks.metrics_work`), with PostgreSQL's own time,
and compared with what the whole server takes for sixteen streams, `--server-cores` (`python -m benchmarks.streams` says it).

A PostgreSQL and a Valkey are started for it. Rules: 2 % at sixteen streams, 5 µs for a quiet frame. How long the questions of
the console take when much is stored is measured by `python -m benchmarks.console`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.network.__main__ import services, set_environment

RESULTS: Final = Path(__file__).resolve().parent / "results"
MAX_SHARE: Final = 0.02
MAX_QUIET_US: Final = 5.0
LABELS: Final = {
    "texts_ms_per_s": "texts that are sent",
    "steps_ms_per_s": "steps of the engine",
    "inference_ms_per_s": "looks, 2 inference processes",
    "web_ms_per_s": "looks and storing, web",
    "worker_ms_per_s": "fetching, rolling up, worker",
    "postgres_ms_per_s": "PostgreSQL",
    "whole_ms_per_s": "all of it",
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metrics", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server-cores", type=float, default=1.91, help="what a server takes for sixteen streams")
    parser.add_argument("--json", type=Path, default=RESULTS / "metrics.json")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1: a rule was broken."""
    options = parse(arguments)
    with services() as (folder, urls):
        set_environment(folder, urls)
        answer = subprocess.run([sys.executable, "-m", "benchmarks.metrics_work"], check=True, capture_output=True)
    found: dict[str, float] = json.loads(answer.stdout)
    found["share"] = found["whole_ms_per_s"] / 1000 / options.server_cores
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    print(text(found))
    return 0 if found["share"] <= MAX_SHARE and found["quiet_frame_us"] <= MAX_QUIET_US else 1


def text(found: dict[str, float]) -> str:
    lines = [f"{label:<32}{found[name]:>8.2f} ms a second" for name, label in LABELS.items()]
    lines += [
        f"{'share of the server':<32}{100 * found['share']:>8.2f} %",
        f"{'a quiet frame':<32}{found['quiet_frame_us']:>8.2f} µs",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
