"""What happened to a segment, as spans."""

from dataclasses import replace

import pytest

from transcription.tracing.times import SegmentTimes, Step

LIVE = SegmentTimes(
    session="7d1f6a52",
    segment=3,
    model="whisper-tiny.en",
    language="en",
    first_audio_s=100.0,
    start_ms=2_000,
    end_ms=5_000,
    queue_ms=40.0,
    infer_ms=160.0,
    heard_s=105.75,
    stored_s=105.8,
    sent_s=105.9,
)


def steps_of(times: SegmentTimes) -> dict[str, tuple[float, float]]:
    return {step.name: (round(step.began_s, 3), round(step.ended_s, 3)) for step in times.steps()}


def test_live_speech_is_received_waited_for_computed_stored_and_delivered() -> None:
    assert steps_of(LIVE) == {
        "receive": (102.0, 105.0),
        "queue": (105.55, 105.59),
        "infer": (105.59, 105.75),
        "store": (105.75, 105.8),
        "deliver": (105.8, 105.9),
    }
    assert LIVE.whole == Step("segment", 102.0, 105.9)


@pytest.mark.parametrize(
    ("what", "times", "receive"),
    [
        ("a recording sent at once", replace(LIVE, first_audio_s=105.0), (105.0, 105.55)),
        ("a session begun elsewhere", replace(LIVE, first_audio_s=105.7), (105.55, 105.55)),
        ("audio that nobody saw come", replace(LIVE, first_audio_s=None), (102.55, 105.55)),
    ],
)
def test_audio_has_come_before_it_is_queued(what: str, times: SegmentTimes, receive: tuple[float, float]) -> None:
    assert steps_of(times)["receive"] == receive, what


def test_a_final_that_was_sent_before_it_was_stored_waited_from_when_it_came() -> None:
    late = replace(LIVE, stored_s=109.0, sent_s=106.75)

    assert steps_of(late)["deliver"] == (105.75, 106.75)
    assert late.whole.ended_s == 109.0


def test_a_final_that_nobody_is_there_for_is_not_delivered() -> None:
    assert "deliver" not in steps_of(replace(LIVE, sent_s=None))
