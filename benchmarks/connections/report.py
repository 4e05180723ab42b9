"""What was measured, as text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.streams.figures import Summary


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one server. Memory in KiB per connection; `alone` and `together`: end of speech → final of the speakers."""

    server: str
    num_sockets: int
    num_ready: int
    num_lost: int
    opened_per_s: float
    frames_per_s: float
    web_us_per_frame: float
    inference_us_per_stream_s: float
    web_kib: float
    inference_kib: float
    web_cores: float
    inference_cores: float
    client_cores: float
    late: Summary
    ping: Summary
    alone: Summary
    together: Summary
    first_text_alone: Summary
    first_text_together: Summary
    failures: dict[str, int]
    heard: dict[str, int]

    @property
    def p95_ratio(self) -> float:
        return self.together.p95 / self.alone.p95 if self.alone.p95 else 0.0

    @property
    def kib_per_connection(self) -> float:
        return self.web_kib + self.inference_kib

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"p95_ratio": self.p95_ratio, "kib_per_connection": self.kib_per_connection}


def block(found: Figures) -> str:
    """Everything about one server."""
    rows = [
        ("connections opened a second", found.opened_per_s, "", f"{found.num_ready} of {found.num_sockets} ready"),
        ("quiet frames a second", found.frames_per_s, "", f"{found.num_lost} connections lost"),
        ("web CPU per frame", found.web_us_per_frame, "µs", f"{found.web_cores:.2f} cores"),
        ("inference CPU per stream second", found.inference_us_per_stream_s, "µs", f"{found.inference_cores:.2f} cores"),
        ("memory per connection, web", found.web_kib, "KiB", ""),
        ("memory per connection, inference", found.inference_kib, "KiB", ""),
        ("memory per connection, both", found.kib_per_connection, "KiB", ""),
        ("clients", found.client_cores, "cores", ""),
    ]
    lines = [f"{name:<36}{value:>10.1f} {unit:<6}{note}" for name, value, unit, note in rows]
    spans = [
        ("ping", found.ping),
        ("quiet frames sent late", found.late),
        ("end of speech -> final, alone", found.alone),
        ("end of speech -> final, together", found.together),
        ("first text, alone", found.first_text_alone),
        ("first text, together", found.first_text_together),
    ]
    head = f"{'ms':<36}{'p50':>9}{'p95':>9}{'p99':>9}{'most':>9}{'count':>8}"
    lines += [head, *(f"{name:<36}{s.p50:>9.1f}{s.p95:>9.1f}{s.p99:>9.1f}{s.most:>9.1f}{s.num:>8}" for name, s in spans)]
    lines += [f"p95 together / alone: {found.p95_ratio:.2f}", *(f"  {count} x {why}" for why, count in found.failures.items())]
    if found.heard:
        lines.append("said to quiet connections: " + ", ".join(f"{num} {kind}" for kind, num in sorted(found.heard.items())))
    return "\n".join([f"{found.server}, {found.num_sockets} connections", *lines, ""])


def table(rows: Sequence[Figures]) -> str:
    """One line for each server, as Markdown."""
    head = (
        "| server | ready | opened/s | web µs per frame | web cores | inference cores | KiB per connection, web + inference "
        "| ping p50 / p99 ms | final p95 alone → together, ms | × |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(_row(each) for each in rows), ""])


def _row(found: Figures) -> str:
    return (
        f"| {found.server} | {found.num_ready} | {found.opened_per_s:.0f} | {found.web_us_per_frame:.0f} | {found.web_cores:.2f} "
        f"| {found.inference_cores:.2f} | {found.web_kib:.0f} + {found.inference_kib:.0f} "
        f"| {found.ping.p50:.1f} / {found.ping.p99:.0f} "
        f"| {found.alone.p95:.0f} → {found.together.p95:.0f} | {found.p95_ratio:.2f} |"
    )
