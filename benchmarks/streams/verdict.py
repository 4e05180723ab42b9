"""One run with N streams put together, and the rule by which it held or broke."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.streams.figures import JOINED, MISSED, Delays, Span, Summary, Texts, failure_of, plateau
from benchmarks.streams.player import Report, Take
from benchmarks.streams.watch import Look, ServerUse, use_between

END_TO_FINAL_P95_MS: Final = 1500.0
PENALTY_POINTS: Final = 1.5
WORDS_TO_JUDGE: Final = 1000  # 1.5 points of fewer words are less than 15 of them: chance
LATE_P99_MS: Final = 50.0


@dataclass(frozen=True, slots=True)
class Result:
    """Of one number of streams. `seconds`: how long all of them spoke at the same time. `max_age_ms`: of partials, p95."""

    num_streams: int
    seconds: float
    delays: dict[str, Summary]
    num_joined: int
    num_missed: int
    num_sessions: int
    failures: list[str]
    num_words: int
    live_percent: float
    offline_percent: float
    server: ServerUse
    generator_cores: float
    max_age_ms: float | None = None

    @property
    def penalty_points(self) -> float:
        return self.live_percent - self.offline_percent

    @property
    def is_late(self) -> bool:
        """Whether the clients themselves were late, so that the delays are not the server's alone."""
        return self.delays["late"].p99 > LATE_P99_MS

    def broken_rules(self) -> list[str]:
        """Why the server did not carry this many; empty where it did."""
        found = []
        if self.failures:
            found.append(f"{len(self.failures)} of {self.num_sessions} sessions failed")
        if self.delays["end_to_final"].p95 > END_TO_FINAL_P95_MS:
            found.append(f"end to final p95 above {END_TO_FINAL_P95_MS:g} ms")
        if self.max_age_ms is not None and self.delays["age"].p95 > self.max_age_ms:
            found.append(f"partial age p95 above {self.max_age_ms:g} ms")
        if self.num_words >= WORDS_TO_JUDGE and self.penalty_points > PENALTY_POINTS:
            found.append(f"word error more than {PENALTY_POINTS:g} points above offline")
        return found

    def as_dict(self) -> dict[str, Any]:
        derived = {"penalty_points": self.penalty_points, "broken_rules": self.broken_rules(), "clients_late": self.is_late}
        return asdict(self) | derived


def result(
    num_streams: int, reports: Sequence[Report], looks: Sequence[Look], whole: dict[str, str], max_age_ms: float | None = None
) -> Result:
    """Delays and CPU of the time when all spoke; texts, accounts and failures of everything."""
    takes = [take for report in reports for take in report.takes]
    span = plateau(takes)
    delays = delays_of(takes).within(span)
    texts = Texts()
    for take in takes:
        texts.add(take, whole)
    return Result(
        num_streams=num_streams,
        seconds=max(0.0, span.to_s - span.from_s),
        delays=delays.summaries(),
        num_joined=len(delays.series[JOINED]),
        num_missed=len(delays.series[MISSED]),
        num_sessions=len(takes),
        failures=[failure for take in takes if (failure := failure_of(take))],
        num_words=texts.live.num_units,
        live_percent=texts.live.percent,
        offline_percent=texts.offline.percent,
        server=use_between(looks, span.from_s, span.to_s),
        generator_cores=generator_cores(reports),
        max_age_ms=max_age_ms,
    )


def delays_of(takes: Sequence[Take]) -> Delays:
    delays = Delays()
    for take in takes:
        delays.add(take)
    return delays


def generator_cores(reports: Sequence[Report]) -> float:
    """CPU of all processes of clients over the time from the first sample to the last message."""
    takes = [take for report in reports for take in report.takes]
    lasts_s = [take.heard[-1].at_s if take.heard else take.start_s for take in takes]
    length_s = max(lasts_s) - min(take.start_s for take in takes)
    return sum(report.cpu_s for report in reports) / length_s if length_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Drift:
    """A long run: its first and its last minutes, and the whole. Ratios are last over first."""

    first: dict[str, Summary]
    last: dict[str, Summary]
    minutes: list[dict[str, Summary]]

    @property
    def ratios(self) -> dict[str, float]:
        """Of p95, by the name of the delay; those that have values at both ends."""
        both = {name: (self.first[name], self.last[name]) for name in self.first}
        return {name: round(last.p95 / first.p95, 3) for name, (first, last) in both.items() if first.p95 > 0 and last.num}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratios": self.ratios}


def drift(takes: Sequence[Take], edge_s: float) -> Drift:
    """Compare the first `edge_s` in which all spoke with the last; two halves where they would overlap."""
    span = plateau(takes)
    delays = delays_of(takes)
    length_s = span.to_s - span.from_s
    edge_s = min(edge_s, length_s / 2)
    starts_s = [span.from_s + 60 * minute for minute in range(int(length_s // 60))]
    return Drift(
        first=delays.within(Span(span.from_s, span.from_s + edge_s)).summaries(),
        last=delays.within(Span(span.to_s - edge_s, span.to_s)).summaries(),
        minutes=[delays.within(Span(start_s, start_s + 60)).summaries() for start_s in starts_s],
    )
