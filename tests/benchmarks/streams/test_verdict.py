"""When a server is said to carry a number of streams, and when not."""

import dataclasses

import pytest

from benchmarks.streams.figures import DELAYS, Summary
from benchmarks.streams.player import Take
from benchmarks.streams.report import block, table
from benchmarks.streams.verdict import Result, drift
from benchmarks.streams.watch import ServerUse
from tests.benchmarks.streams.recordings import START_S, ended, final, take_of, two_clips


def summary_of(p95: float) -> Summary:
    return Summary(100, p95 / 2, p95, p95, p95)


HELD = Result(
    num_streams=8,
    seconds=60,
    delays={name: summary_of(40) for name in DELAYS} | {"end_to_final": summary_of(1_500)},
    num_joined=0,
    num_missed=0,
    num_sessions=8,
    failures=[],
    num_words=1_000,
    live_percent=8.5,
    offline_percent=7.0,
    server=ServerUse(),
    generator_cores=0.1,
)


def test_at_the_limits_it_held() -> None:
    assert HELD.broken_rules() == []
    assert dataclasses.replace(HELD, max_age_ms=40).broken_rules() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"delays": HELD.delays | {"end_to_final": summary_of(1_501)}}, "end to final p95 above 1500 ms"),
        ({"live_percent": 8.6}, "word error more than 1.5 points above offline"),
        ({"max_age_ms": 39}, "partial age p95 above 39 ms"),
        ({"failures": ["error internal"]}, "1 of 8 sessions failed"),
    ],
)
def test_one_broken_rule_is_enough(change: dict[str, object], reason: str) -> None:
    broken = dataclasses.replace(HELD, **change)  # type: ignore[arg-type] # a table of fields of different types

    assert broken.broken_rules() == [reason]
    assert reason in block(broken)
    assert reason in table([broken])


def test_word_error_of_few_words_is_no_reason() -> None:
    assert dataclasses.replace(HELD, live_percent=12.0, num_words=999).broken_rules() == []


def test_clients_that_were_late_themselves_are_told() -> None:
    late = dataclasses.replace(HELD, delays=HELD.delays | {"late": summary_of(80)})

    assert late.is_late
    assert "clients late" in table([late])
    assert not HELD.is_late


def session_at(start_s: float, delay_ms: float) -> Take:
    """Two clips; the final of each comes `delay_ms` after its end."""
    take = take_of(
        two_clips(),
        (2_300 + delay_ms, ended(2_300)), (2_300 + delay_ms, final(0, 400, 2_500)),
        (5_000 + delay_ms, ended(5_000)), (5_000 + delay_ms, final(1, 3_100, 5_200)),
    )  # fmt: skip
    moved_s = start_s - take.start_s
    take.start_s = start_s
    take.heard = [dataclasses.replace(heard, at_s=heard.at_s + moved_s) for heard in take.heard]
    return take


def test_a_long_run_compares_its_end_with_its_beginning() -> None:
    takes = [session_at(START_S, 600), session_at(START_S + 10, 700), session_at(START_S + 20, 900)]

    changed = drift(takes, edge_s=8)

    assert (changed.first["end_to_final"].p50, changed.last["end_to_final"].p50) == (600, 900)
    assert changed.ratios["end_to_final"] == 1.5
