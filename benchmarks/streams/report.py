"""Results as text: a block of figures for each number of streams, and one line of each at the end."""

from collections.abc import Sequence
from typing import Final

from benchmarks.streams.figures import Summary
from benchmarks.streams.verdict import Drift, Result

SLOPE_FROM_S: Final = 300.0  # a line through the memory of less time is no trend
LABELS: Final = {
    "first_text": "speech begins -> first text",
    "interval": "partial interval",
    "age": "partial age",
    "end_to_final": "end of speech -> final",
    "end_to_decided": "  end of speech -> decided",
    "decided_to_final": "  decided -> final",
    "finalize_to_final": "finalize -> final",
    "late": "frames sent late by the clients",
    "voice_end": "server's end of voice - energy's",
}


def block(result: Result) -> str:
    """Everything about one number of streams."""
    return "\n".join(
        [_head(result), *_delay_lines(result.delays), *_share_lines(result), *_server_lines(result), _verdict(result), ""]
    )


def _head(result: Result) -> str:
    columns = f"{'ms':<34}{'p50':>9}{'p95':>9}{'p99':>9}{'most':>9}{'count':>8}"
    return f"{result.num_streams} streams, {result.seconds:.0f} s together\n{columns}"


def _delay_lines(delays: dict[str, Summary]) -> list[str]:
    return [
        f"{LABELS[name]:<34}{each.p50:>9.0f}{each.p95:>9.0f}{each.p99:>9.0f}{each.most:>9.0f}{each.num:>8}"
        for name, each in delays.items()
        if each.num
    ]


def _share_lines(result: Result) -> list[str]:
    num_ends = result.delays["end_to_final"].num + result.num_joined + result.num_missed
    return [
        f"ends of speech: {num_ends}; the server heard no pause at {result.num_joined}, and no speech before {result.num_missed}",
        f"word error: live {result.live_percent:.2f} %, offline {result.offline_percent:.2f} %, "
        f"{result.penalty_points:+.2f} points of {result.num_words} words",
        f"sessions: {result.num_sessions - len(result.failures)} of {result.num_sessions} complete",
        *(f"  {failure}" for failure in result.failures[:5]),
    ]


def _server_lines(result: Result) -> list[str]:
    server = result.server
    roles = [
        f"  {name:<14}{role.cores:>6.2f} cores{role.rss_start_mib:>9.0f} -> {role.rss_end_mib:.0f} MiB"
        f"{f', {role.slope_mib_per_h:+.1f} MiB/h' if result.seconds >= SLOPE_FROM_S else ''} in {role.num_processes} processes"
        for name, role in server.roles.items()
    ]
    total = f"server {server.cores:.2f} cores, clients {result.generator_cores:.2f}, whole machine {server.machine_cores:.2f}"
    pace = f"how fast a core was: {server.work_ms:.1f} ms for the same piece of work in every run"
    return [total, *roles, pace] if server.roles else [f"clients {result.generator_cores:.2f} cores; the server was not watched"]


def _verdict(result: Result) -> str:
    late = "; the clients were late themselves, so these figures are not the server's alone" if result.is_late else ""
    return "verdict: " + ("; ".join(result.broken_rules()) or "held") + late


def table(results: Sequence[Result]) -> str:
    """One line for each number of streams; p95 of the delays in ms."""
    head = (
        f"{'streams':>7}{'first text':>12}{'interval':>10}{'age':>8}{'end->final p50':>16}{'p95':>7}{'p99':>7}"
        f"{'WER %':>8}{'points':>8}{'complete':>10}{'server':>8}{'clients':>9}  verdict"
    )
    return "\n".join(["p95 in ms, CPU in cores", head, *(_line(result) for result in results), ""])


def _line(result: Result) -> str:
    delays, final = result.delays, result.delays["end_to_final"]
    complete = f"{result.num_sessions - len(result.failures)}/{result.num_sessions}"
    return (
        f"{result.num_streams:>7}{delays['first_text'].p95:>12.0f}{delays['interval'].p95:>10.0f}{delays['age'].p95:>8.0f}"
        f"{final.p50:>16.0f}{final.p95:>7.0f}{final.p99:>7.0f}{result.live_percent:>8.2f}{result.penalty_points:>+8.2f}"
        f"{complete:>10}{result.server.cores:>8.2f}{result.generator_cores:>9.2f}  {'; '.join(result.broken_rules()) or 'held'}"
        f"{' (clients late)' if result.is_late else ''}"
    )


def drift_table(drift: Drift) -> str:
    """First and last minutes of a long run."""
    lines = [f"{'p95, ms':<34}{'first':>9}{'last':>9}{'ratio':>8}"]
    lines += [
        f"{LABELS[name]:<34}{drift.first[name].p95:>9.0f}{drift.last[name].p95:>9.0f}{ratio:>8.2f}"
        for name, ratio in drift.ratios.items()
        if name != "voice_end"
    ]
    return "\n".join([*lines, ""])
