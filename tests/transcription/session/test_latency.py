"""What a listener waited, from the moments that a session notes."""

from transcription.session.latency import Latency


def test_first_text_is_timed_from_the_speech_it_belongs_to() -> None:
    latency = Latency()

    latency.heard_audio(10.0)
    latency.heard_audio(11.0)
    latency.sent_text(12.5, start_ms=1_000)
    latency.sent_text(20.0, start_ms=1_000)

    assert latency.summary() == {"first_text_ms": 1_500.0}


def test_the_slowest_final_is_kept() -> None:
    latency = Latency()

    latency.sent_final(queue_ms=5.0, infer_ms=80.0)
    latency.sent_final(queue_ms=1.0, infer_ms=120.04)

    assert latency.summary() == {"final_queue_ms_max": 5.0, "final_infer_ms_max": 120.0}


def test_text_that_comes_before_its_speech_was_due_waited_for_nothing() -> None:
    latency = Latency()

    latency.heard_audio(0.0)
    latency.sent_text(0.5, start_ms=60_000)

    assert latency.summary() == {"first_text_ms": 0.0}
