"""What counts as during a swap, what as lost, and when swaps did too much to those who spoke."""

import dataclasses

import pytest

from benchmarks.streams.figures import Span, Summary
from benchmarks.streams.player import Take
from benchmarks.swaps.record import Step, Swap
from benchmarks.swaps.report import text
from benchmarks.swaps.verdict import MAX_GROWTH_MIB, Verdict, complaint_about, finals_by_phase, shared, verdict
from tests.benchmarks.streams.recordings import START_S, done, ended, final, take_of, two_clips

FIRST_END_S, SECOND_END_S = START_S + 2.3, START_S + 5.0
"""Where the speech of the two clips ends."""
STORED = {"s": ["some words", "some words"]}
LENGTH_MS = two_clips().num_samples // 16


def session(*left_out: int, client: int = 0, length_ms: int = LENGTH_MS) -> Take:
    """Both clips with a final each, 800 and 900 ms after their ends; the finals that are named are missing."""
    finals = [(3_100.0, final(0, 400, 2_400)), (5_900.0, final(1, 3_300, 5_100))]
    heard = [(at_ms, message) for number, (at_ms, message) in enumerate(finals) if number not in left_out]
    ends = [(2_800.0, ended(2_300)), (5_500.0, ended(5_000))]
    said = sorted([*heard, *ends], key=lambda each: each[0])
    return take_of(two_clips(), (10.0, {"type": "ready", "session": "s"}), *said, (7_500.0, done(length_ms)), client=client)


def swap(from_s: float, to_s: float, *, to_name: str = "b", rss_mib: float = 900, state: str = "done", error: str = "") -> Swap:
    steps = (
        Step(from_s, "", "checking", ""),
        Step(from_s + 0.1, "inference-0", "checking", ""),
        Step(from_s + 0.2, "inference-0", "loaded", ""),
        Step(to_s, "", state, ""),
    )
    rss = {"inference-0": rss_mib}
    return Swap(to_name, state, error, Span(from_s, to_s), steps, rss, rss)


def judged(*swaps: Swap, takes: tuple[Take, ...] = (session(),)) -> Verdict:
    return verdict([session()], takes, swaps, STORED, {"inference-0": 900})


def test_an_end_of_speech_that_waits_when_a_swap_begins_counts_as_during_it() -> None:
    found = finals_by_phase([session()], [session()], [swap(FIRST_END_S + 0.79, FIRST_END_S + 1.5)])

    assert [found[phase].num for phase in ("calm", "between", "during", "loading", "rest")] == [2, 1, 1, 0, 1]
    assert found["during"].p50 == pytest.approx(800, abs=1)
    assert found["between"].p50 == pytest.approx(900, abs=1)


def test_of_a_swap_the_time_in_which_the_model_is_loaded_counts_apart() -> None:
    found = finals_by_phase([session()], [session()], [swap(FIRST_END_S + 0.1, SECOND_END_S + 2)])

    assert [found[phase].num for phase in ("between", "during", "loading", "rest")] == [0, 2, 1, 1]


def test_a_session_with_exact_account_and_all_finals_stored_is_whole() -> None:
    assert complaint_about(session(), STORED) == ""


@pytest.mark.parametrize(
    ("take", "stored", "complaint"),
    [
        (session(0), {"s": ["some words"]}, "numbered [1]"),
        (session(length_ms=LENGTH_MS - 1), STORED, "received"),
        (session(), {"s": ["some words"]}, "2 finals were told and 1 are stored"),
        (session(), {}, "2 finals were told and 0 are stored"),
        (dataclasses.replace(session(), failure="ConnectionClosed"), STORED, "ConnectionClosed"),
    ],
)
def test_a_session_that_lost_something_says_what(take: Take, stored: dict[str, list[str]], complaint: str) -> None:
    assert complaint in complaint_about(take, stored)


def test_a_clip_that_had_a_final_without_swaps_and_has_none_with_them_is_lost() -> None:
    found = verdict([session()], [session(1)], [swap(0, 1)], {"s": ["some words"]}, {"inference-0": 900})

    assert found.lost == ["client 0: two has no final"]
    assert found.lost[0] in found.broken_rules()


def test_a_clip_that_has_no_final_either_way_is_not_lost() -> None:
    assert verdict([session(1)], [session(1)], [], {"s": ["some words"]}, {"inference-0": 900}).lost == []


def test_only_sessions_that_both_runs_have_are_compared() -> None:
    assert shared([session(client=1)], [session(client=0)]) == []
    assert len(shared([session(client=1)], [session(client=1)])) == 1


def test_swaps_that_nobody_noticed_hold() -> None:
    found = judged(swap(START_S, SECOND_END_S - 1), takes=(session(),))

    assert found.broken_rules() == []
    assert found.p95_ratio == pytest.approx(800 / 900, abs=0.01)
    assert "verdict: held" in text(found)


def test_finals_half_as_late_again_break_the_rule() -> None:
    calm, slow = Summary(9, 800, 1_000, 1_000, 1_000), Summary(9, 900, 1_501, 1_600, 1_600)
    found = dataclasses.replace(judged(), finals=judged().finals | {"between": calm, "during": slow})

    assert found.broken_rules() == ["end of speech -> final p95 is 1.50 times as long during swaps as between them"]


def test_memory_after_the_last_swap_to_a_model_is_compared_with_that_after_the_first_to_it() -> None:
    smaller, larger = swap(0, 1, to_name="b", rss_mib=850), swap(2, 3, to_name="a", rss_mib=1_200)
    grown = swap(4, 5, to_name="b", rss_mib=850 + MAX_GROWTH_MIB + 1)
    shrunk = swap(6, 7, to_name="b", rss_mib=860)

    assert judged(smaller, larger).broken_rules() == []
    assert judged(smaller, larger, grown).broken_rules() == ["an inference process has grown by 96 MiB"]
    assert judged(smaller, larger, grown, shrunk).broken_rules() == []


def test_a_swap_that_failed_is_told() -> None:
    assert judged(swap(0, 1, state="failed", error="It broke.")).broken_rules() == ["swap 1 failed: It broke."]
