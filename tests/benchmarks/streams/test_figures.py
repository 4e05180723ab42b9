"""Delays are counted from what was truly said, and nothing that is missing makes a figure better."""

import pytest

from benchmarks.streams.figures import JOINED, MISSED, Delays, Span, Summary, Texts, failure_of, plateau, summary
from benchmarks.streams.tape import Part, Tape
from tests.benchmarks.streams.recordings import START_S, done, ended, final, partial, sound, take_of, two_clips


def delays_ms(delays: Delays, name: str) -> list[float]:
    return [round(ms, 3) for _at_s, ms in delays.series[name]]


def measured(*heard: tuple[float, dict[str, object]]) -> Delays:
    delays = Delays()
    delays.add(take_of(two_clips(), *heard))
    return delays


def test_percentiles_are_those_of_the_values() -> None:
    assert summary([float(value) for value in range(101)]) == Summary(101, 50.0, 95.0, 99.0, 100.0)
    assert summary([]).num == 0


def test_the_wait_for_the_endpoint_is_part_of_the_way_from_the_end_of_speech_to_the_final() -> None:
    delays = measured((2_900, ended(2_400)), (3_100, final(0, 400, 2_600)))

    assert delays_ms(delays, "end_to_final") == [800]
    assert delays_ms(delays, "end_to_decided") == [600]
    assert delays_ms(delays, "decided_to_final") == [200]
    assert delays_ms(delays, "voice_end") == [100]


def test_a_clip_in_two_segments_ends_with_the_last_of_them() -> None:
    delays = measured(
        (1_900, ended(1_300)), (2_000, final(0, 400, 1_500)), (2_900, ended(2_300)), (3_000, final(1, 1_600, 2_500)),
    )  # fmt: skip

    assert delays_ms(delays, "end_to_final") == [700]


def test_an_end_without_a_final_is_missed_and_has_no_delay() -> None:
    delays = measured()

    assert len(delays.series[MISSED]) == 2
    assert not delays.series["end_to_final"]


def test_a_final_that_goes_on_into_the_next_clip_has_joined_the_two() -> None:
    delays = measured((5_600, ended(5_000)), (5_700, final(0, 400, 5_200)))

    assert len(delays.series[JOINED]) == 1
    assert delays_ms(delays, "end_to_final") == [700]  # of the second clip


def test_a_final_that_was_cut_at_its_maximal_length_ends_no_speech() -> None:
    delays = measured((2_400, final(0, 400, 2_350)))

    assert len(delays.series[JOINED]) == 1
    assert not delays.series["end_to_final"]


def test_the_first_text_of_a_clip_is_counted_from_its_first_sound() -> None:
    delays = measured(
        (1_000, partial(0, 900, text="")), (1_500, partial(0, 1_400)), (2_900, ended(2_300)), (3_000, final(0, 400, 2_500)),
    )  # fmt: skip

    assert delays_ms(delays, "first_text") == [800]


def test_a_final_is_the_first_text_where_no_partial_came() -> None:
    delays = measured((3_000, final(0, 400, 2_500)))

    assert delays_ms(delays, "first_text") == [2_300]


def test_a_clip_that_goes_on_in_the_segment_of_the_one_before_has_no_first_text_of_its_own() -> None:
    delays = measured((1_500, partial(0, 1_400)), (5_700, final(0, 400, 5_200)))

    assert delays_ms(delays, "first_text") == [800]


def test_intervals_are_those_within_a_segment_and_age_is_that_of_the_newest_audio() -> None:
    delays = measured((1_000, partial(0, 800)), (1_250, partial(0, 950)), (4_000, partial(1, 3_900)))

    assert delays_ms(delays, "interval") == [250]
    assert delays_ms(delays, "age") == [200, 250, 100]  # 950 ms was in the frame sent at 1000 ms


def test_only_finals_with_text_answer_finalize() -> None:
    take = take_of(
        two_clips(), (2_500, final(0, 400, 2_300, from_finalize=True)), (5_000, final(1, 0, 0, text="", from_finalize=True))
    )
    take.finalized_s = [START_S + 2.4, START_S + 4.9]
    delays = Delays()

    delays.add(take)

    assert delays_ms(delays, "finalize_to_final") == [100]


def test_delays_outside_the_span_do_not_count() -> None:
    delays = measured(
        (2_900, ended(2_300)), (3_100, final(0, 400, 2_500)), (5_600, ended(5_000)), (9_000, final(1, 3_000, 5_200))
    )

    kept = delays.within(Span(START_S + 4, START_S + 6))

    assert delays_ms(kept, "end_to_final") == [4_000]  # it was said inside, however late the final came


def test_all_speak_from_the_last_start_to_the_first_end() -> None:
    early, late = take_of(two_clips(), client=0), take_of(two_clips(), client=1)
    late.start_s += 1.5

    span = plateau([early, late])

    assert (span.from_s, span.to_s) == pytest.approx((START_S + 1.5, START_S + 7.4))


def test_a_session_whose_done_accounts_for_every_sample_has_not_failed() -> None:
    assert failure_of(take_of(two_clips(), (9_000, done(7_400)))) == ""


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "0 terminal messages"),
        ([done(7_400), done(7_400)], "2 terminal messages"),
        ([{"type": "error", "code": "server_full", "message": "Full."}], "error server_full: Full."),
        ([done(7_400, transcribed_ms=7_300)], "account: received 7400 ms, accounted 7300 ms, gap 0 ms"),
        ([done(7_400, complete=False)], "account: received 7400 ms, accounted 7400 ms, gap 0 ms"),
        ([done(7_000)], "received 7000 ms of the 7400 ms sent"),
    ],
)
def test_a_session_fails_where_anything_is_missing(messages: list[dict[str, object]], reason: str) -> None:
    assert failure_of(take_of(two_clips(), *((9_000, message) for message in messages))) == reason


def test_word_error_is_that_of_all_finals_of_a_session_against_all_its_clips() -> None:
    tape = Tape(tuple(Part(sound(name, text), 32_000, 0) for name, text in (("one", "it was the"), ("two", "best of times"))))
    texts = Texts()

    texts.add(
        take_of(tape, (1, final(0, 0, 1, text="It was")), (2, final(1, 1, 2, text="the best of time."))),
        {"one": "It was the", "two": "best"},
    )

    assert (texts.live.num_errors, texts.offline.num_errors, texts.live.num_units) == (1, 2, 6)
    assert texts.penalty_points == pytest.approx(-100 / 6)


def test_the_end_that_is_heard_only_after_a_final_is_not_what_led_to_it() -> None:
    delays = measured((2_400, final(0, 400, 2_350)), (2_900, ended(2_300)))

    assert not delays.series["decided_to_final"]
