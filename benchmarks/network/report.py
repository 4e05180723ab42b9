"""What became of many sessions, as a table and as plain data."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.network.verdict import Outcome

MAX_SHOWN: Final = 10
COLUMNS: Final = (
    "sessions", "whole", "cuts", "refused", "resumed", "lost", "doubled", "overtaken", "stalled", "late events", "gaps told",
    "broken",
)  # fmt: skip


def table(runs: Mapping[str, Sequence[Outcome]]) -> str:
    """A line for each run, and the first broken rules."""
    head = f"{'':<22}" + "".join(f"{name:>12}" for name in COLUMNS)
    lines = [f"{name:<22}" + "".join(f"{count:>12}" for count in counts(outcomes).values()) for name, outcomes in runs.items()]
    broken = [
        f"  {name}, {outcome.talk.name}: {sentence[:400]}"
        for name, outcomes in runs.items()
        for outcome in outcomes
        for sentence in outcome.broken
    ]
    more = [f"  and {len(broken) - MAX_SHOWN} more"] if len(broken) > MAX_SHOWN else []
    return "\n".join([head, *lines, *broken[:MAX_SHOWN], *more, ""])


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """By column. lost, doubled, overtaken: frames of audio. gaps told: sessions that were told of a gap, as they had to be."""
    told = [outcome.told for outcome in outcomes]
    values = (
        len(outcomes),
        sum(bool(outcome.heard.done and outcome.heard.done["complete"]) for outcome in outcomes),
        sum(each.num_cut for each in told),
        sum(each.num_refused for each in told),
        sum(outcome.heard.num_resumed for outcome in outcomes),
        sum(each.num_lost for each in told),
        sum(each.num_doubled for each in told),
        sum(each.num_overtaken for each in told),
        sum(each.num_stalled for each in told),
        sum(each.num_late_events for each in told),
        sum(bool(outcome.heard.gaps) for outcome in outcomes),
        sum(bool(outcome.broken) for outcome in outcomes),
    )
    return dict(zip(COLUMNS, values, strict=True))


def as_dict(outcome: Outcome) -> dict[str, Any]:
    heard = outcome.heard
    return {
        "talk": outcome.talk.name,
        "length_ms": outcome.talk.length_ms,
        "is_lossy": outcome.is_lossy,
        "is_moved": outcome.is_moved,
        "network": dataclasses.asdict(outcome.told),
        "done": heard.done,
        "num_finals": len(heard.finals),
        "num_words": len(heard.words),
        "num_resumed": heard.num_resumed,
        "num_nacks": heard.num_nacks,
        "num_resent": heard.num_resent,
        "codes": heard.codes,
        "gaps": heard.gaps,
        "broken": outcome.broken,
    }
