"""What the swaps did to those who spoke, and the rules by which that is too much: functions of what was seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.scoring import ErrorRate, units
from benchmarks.streams.figures import MISSED, Delays, Span, Summary, failure_of, plateau, summary
from benchmarks.streams.player import Take
from benchmarks.streams.tape import Tape
from benchmarks.streams.verdict import LATE_P99_MS, PENALTY_POINTS, WORDS_TO_JUDGE
from benchmarks.swaps.record import Swap

MAX_P95_RATIO: Final = 1.5
MAX_GROWTH_MIB: Final = 100 * 1e6 / (1 << 20)
Stored = Mapping[str, Sequence[str]]
"""The texts of the finals in the database, by session, in order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`finals`: end of speech -> final, by when: `calm`, the run without swaps; `between` swaps; `during` one; `loading`, the
    part of it in which models are loaded and tried; `rest`, the rest of it. `num_missed`: clips without a final, in the run
    with swaps and in the calm one. `lost`: those of the first that had one in the second. Word errors in percent, of sessions
    that both runs have.
    """

    num_streams: int
    finals: dict[str, Summary]
    late: Summary
    failures: list[str]
    num_sessions: int
    num_finals: int
    num_changes: int
    num_missed: int
    num_missed_calm: int
    lost: list[str]
    num_words: int
    word_error: float
    word_error_calm: float
    swaps: list[Swap]
    rss_before_mib: Mapping[str, float]

    @property
    def p95_ratio(self) -> float:
        """During swaps against between them."""
        between = self.finals["between"].p95
        return self.finals["during"].p95 / between if between else 0.0

    @property
    def growth_mib(self) -> float:
        """The most by which a process is larger after the last swap to a model than it was after the first one to it."""
        pairs = zip(ends_of_each(self.swaps), ends_of_each(self.swaps[::-1]), strict=True)
        return max((last.rss_mib[name] - first.rss_mib[name] for first, last in pairs for name in first.rss_mib), default=0.0)

    def broken_rules(self) -> list[str]:
        found = [f"swap {number} {swap.state}: {swap.error}" for number, swap in enumerate(self.swaps, 1) if swap.state != "done"]
        found += self.failures + self.lost
        if self.p95_ratio > MAX_P95_RATIO:
            found.append(f"end of speech -> final p95 is {self.p95_ratio:.2f} times as long during swaps as between them")
        if self.growth_mib > MAX_GROWTH_MIB:
            found.append(f"an inference process has grown by {self.growth_mib:.0f} MiB")
        if self.num_words >= WORDS_TO_JUDGE and self.word_error - self.word_error_calm > PENALTY_POINTS:
            found.append(f"word error is more than {PENALTY_POINTS:g} points above that without swaps")
        return found

    @property
    def is_late(self) -> bool:
        """Whether the clients themselves were late."""
        return self.late.p99 > LATE_P99_MS

    def as_dict(self) -> dict[str, Any]:
        derived = {"p95_ratio": self.p95_ratio, "growth_mib": self.growth_mib, "broken_rules": self.broken_rules()}
        return asdict(self) | derived | {"clients_late": self.is_late}


def ends_of_each(swaps: Sequence[Swap]) -> list[Swap]:
    """The first of `swaps` to each model, by the model's name."""
    first = {swap.to_name: swap for swap in reversed(swaps)}
    return [first[name] for name in sorted(first)]


def verdict(
    calm: Sequence[Take], takes: Sequence[Take], swaps: Sequence[Swap], stored: Stored, rss_before_mib: Mapping[str, float]
) -> Verdict:
    together = shared(calm, takes)
    errors, errors_calm = word_errors(take for take, _ in together), word_errors(take for _, take in together)
    return Verdict(
        num_streams=len({take.client for take in takes}),
        finals=finals_by_phase(calm, takes, swaps),
        late=delays_of(takes).summaries()["late"],
        failures=[complaint for take in [*calm, *takes] if (complaint := complaint_about(take, stored))],
        num_sessions=len(calm) + len(takes),
        num_finals=sum(len(take.of("final")) for take in takes),
        num_changes=sum(len(take.of("model_changed")) for take in takes),
        num_missed=sum(len(missed(take)) for take in takes),
        num_missed_calm=sum(len(missed(take)) for take in calm),
        lost=[sentence for take, without in together for sentence in lost_in(take, without)],
        num_words=errors.num_units,
        word_error=errors.percent,
        word_error_calm=errors_calm.percent,
        swaps=list(swaps),
        rss_before_mib=rss_before_mib,
    )


# Delays


def finals_by_phase(calm: Sequence[Take], takes: Sequence[Take], swaps: Sequence[Swap]) -> dict[str, Summary]:
    waits = waits_of(takes)
    whole = [swap.span for swap in swaps]
    loading = [span for swap in swaps if (span := swap.loading) is not None]
    during = [wait for wait in waits if touches(wait, whole)]
    phases = {
        "calm": waits_of(calm),
        "between": [wait for wait in waits if not touches(wait, whole)],
        "during": during,
        "loading": [wait for wait in during if touches(wait, loading)],
        "rest": [wait for wait in during if not touches(wait, loading)],
    }
    return {name: summary([(wait.to_s - wait.from_s) * 1000 for wait in found]) for name, found in phases.items()}


def waits_of(takes: Sequence[Take]) -> list[Span]:
    """From each end of speech to its final, while all clients speak."""
    if not takes:
        return []
    series = delays_of(takes).within(plateau(takes)).series["end_to_final"]
    return [Span(since_s, since_s + ms / 1000) for since_s, ms in series]


def touches(wait: Span, spans: Iterable[Span]) -> bool:
    return any(wait.from_s <= span.to_s and span.from_s <= wait.to_s for span in spans)


def delays_of(takes: Iterable[Take]) -> Delays:
    delays = Delays()
    for take in takes:
        delays.add(take)
    return delays


# Losses


def complaint_about(take: Take, stored: Stored) -> str:
    """What is wrong with a session; empty if nothing."""
    finals = [heard.message for heard in take.of("final")]
    ready = take.of("ready")
    kept = list(stored.get(ready[0].message["session"], ())) if ready else []
    if failure := failure_of(take):
        last = f"{take.heard[-1].message['type']} after {take.heard[-1].at_s - take.start_s:.1f} s" if take.heard else "nothing"
        return f"client {take.client}, {take.tape.seconds:.1f} s: {failure}; the last that was heard: {last}"
    if [final["segment"] for final in finals] != list(range(len(finals))):
        return f"client {take.client}: finals are numbered {[final['segment'] for final in finals]}"
    if [final["text"] for final in finals] != kept:
        return f"client {take.client}: {len(finals)} finals were told and {len(kept)} are stored, or other ones"
    return ""


def shared(calm: Sequence[Take], takes: Sequence[Take]) -> list[tuple[Take, Take]]:
    """The sessions that were played in both runs, as pairs; those that broke off in either are left out."""
    without = {_key(take): take for take in calm if not failure_of(take)}
    return [(take, without[_key(take)]) for take in takes if not failure_of(take) and _key(take) in without]


def _key(take: Take) -> tuple[int, Tape]:
    return take.client, take.tape


def missed(take: Take) -> set[int]:
    """Clips of a session, by their number, that have no final."""
    delays = delays_of([take])
    ends_s = [take.due_s(said.end_ms) for said in take.tape.spoken()]
    return {ends_s.index(since_s) for since_s, _ in delays.series[MISSED]}


def lost_in(take: Take, without: Take) -> list[str]:
    """What had a final in the session without swaps and has none here."""
    said = take.tape.spoken()
    return [f"client {take.client}: {said[number].clip.name} has no final" for number in sorted(missed(take) - missed(without))]


def word_errors(takes: Iterable[Take]) -> ErrorRate:
    errors = ErrorRate()
    for take in takes:
        heard = " ".join(final.message["text"] for final in take.of("final"))
        errors.add(units(take.tape.text, by_character=False), units(heard, by_character=False))
    return errors
