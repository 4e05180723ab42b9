"""How long the pages of the operators' console take when much is stored: a million segments and a month of samples.

A server of its own is started, with the scripted engine; sessions, segments and samples are made up in its PostgreSQL
(`benchmarks.recorded`: two web processes, two inference processes and a worker, every metric, in all four resolutions as long as
they are kept). Then an administrator opens each page, and the data of the charts for each range, again and again over HTTP, one
after the other; what is measured is the whole answer as the client gets it. Rule: 95 of 100 within 300 ms.
"""

import argparse
import json
import secrets
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.network.__main__ import services, set_environment
from benchmarks.recorded import fill_samples, fill_sessions
from benchmarks.swaps.admin_site import AdminSite
from tests.stack import HOST, Stack, running_stack

RESULTS: Final = Path(__file__).resolve().parent / "results"
SEGMENTS_PER_SESSION: Final = 100
MAX_MS: Final = 300.0
PAGES: Final = ("overview/", "sessions/", "workers/")
RANGES: Final = ("15m", "1h", "6h", "24h", "7d", "30d")
TABLES: Final = ("transcription_segment", "transcription_metricsample", "transcription_metricseries")

Timings = dict[str, list[float]]
"""Milliseconds of each answer, by what was asked for."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.console", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--segments", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30, help="of samples")
    parser.add_argument("--requests", type=int, default=100, help="for each page and range")
    parser.add_argument("--json", type=Path, default=RESULTS / "console.json")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    password = secrets.token_urlsafe(16)
    with services() as (folder, urls):
        set_environment(folder, urls)
        with running_stack(folder / "stack", HARK_MODELS="fake", HARK_ADMIN_PASSWORD=password) as stack:
            rows = filled(stack, options)
            timings = measured(AdminSite(HOST, stack.port, password), options.requests)
    report = {"rows": rows, "answers": {name: summary(taken_ms) for name, taken_ms in timings.items()}}
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")
    print(text(rows, timings))
    return 0 if all(p95(taken_ms) <= MAX_MS for taken_ms in timings.values()) else 1


def filled(stack: Stack, options: argparse.Namespace) -> dict[str, int]:
    """Rows of each table, after they were made up."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection, connection.cursor() as cursor:
        fill_sessions(cursor, options.segments // SEGMENTS_PER_SESSION, SEGMENTS_PER_SESSION)
        fill_samples(cursor, datetime.now(UTC), timedelta(days=options.days))
        cursor.execute("VACUUM ANALYZE")
        return {table: counted(cursor, table) for table in TABLES}


def counted(cursor: "psycopg.Cursor[tuple[int]]", table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608 -- one of TABLES
    row = cursor.fetchone()
    return row[0] if row else 0


def measured(site: AdminSite, num_requests: int) -> Timings:
    """Round after round, so that whatever else the machine does concerns all of them alike."""
    paths = {f"page {page}": f"/admin/console/{page}" for page in PAGES}
    paths |= {f"charts {key}": f"/admin/console/series/?range={key}" for key in RANGES}
    timings: Timings = {name: [] for name in paths}
    for _ in range(num_requests):
        for name, path in paths.items():
            began_s = time.perf_counter()
            site.get(path)
            timings[name].append((time.perf_counter() - began_s) * 1000)
    return timings


def p95(taken_ms: Sequence[float]) -> float:
    return statistics.quantiles(taken_ms, n=20, method="inclusive")[-1]


def summary(taken_ms: Sequence[float]) -> dict[str, float]:
    return {"median_ms": statistics.median(taken_ms), "p95_ms": p95(taken_ms), "max_ms": max(taken_ms)}


def text(rows: dict[str, int], timings: Timings) -> str:
    lines = [f"{num:>12,} rows in {table}" for table, num in rows.items()]
    lines += ["", f"{'':<18}{'median':>9}{'p95':>9}{'max':>9}  (ms)"]
    for name, taken_ms in timings.items():
        lines.append(f"{name:<18}{statistics.median(taken_ms):>9.0f}{p95(taken_ms):>9.0f}{max(taken_ms):>9.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
