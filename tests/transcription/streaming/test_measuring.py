"""How late texts are, on a clock of the test's own, and what is counted of a session."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from inference.messages import Checkpoint, Timings
from transcription.metrics.meters import web
from transcription.protocol import FinalResult, Gap, PartialResult, ServerMessage, SessionError, SpeechEnded
from transcription.session.account import Account
from transcription.session.actions import RecordEnd, RecordFinal
from transcription.session.stream_session import StreamSession
from transcription.session.terms import Terms
from transcription.streaming.measuring import StreamMeasures, audio_seconds

MODEL = "timed"


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Talk:
    """A session that has been spoken since 100 s, as it is heard."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.session = StreamSession("talk", Terms("en", tuple), self.clock)
        self.session.terms.model = MODEL
        self.session.results.latency.first_audio_s = 100.0
        self.measures = StreamMeasures(self.session, self.clock)

    def until(self, now_s: float, received_s: float | None = None) -> None:
        self.clock.now_s = now_s
        self.session.arrival.intake.num_frames = round((now_s - 100 if received_s is None else received_s) * 16_000)

    def send(self, message: ServerMessage, *, took_s: float = 0.0, is_stored: bool = True) -> None:
        """Queue it, and send it `took_s` later."""
        sent = self.measures.sending(message, self.clock.now_s, is_stored=is_stored)
        self.clock.now_s += took_s
        if sent is not None:
            sent()


def final(start_ms: int, end_ms: int, *, from_finalize: bool = False, text: str = "alpha") -> FinalResult:
    return FinalResult(
        segment=0, text=text, start_ms=start_ms, end_ms=end_ms, language="en", confidence=0.9, model=MODEL, words=[],
        from_finalize=from_finalize,
    )  # fmt: skip


def partial(end_ms: int) -> PartialResult:
    return PartialResult(segment=0, text="alpha", stable="", start_ms=500, end_ms=end_ms)


def value(name: str, **labels: str) -> float:
    return web.registry.get_sample_value(name, labels) or 0.0


def increase(name: str, work: Callable[[], None], **labels: str) -> float:
    before = value(name, **labels)
    work()
    return round(value(name, **labels) - before, 6)


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_a_partial_is_as_old_as_the_audio_that_it_covers(talk: Talk) -> None:
    talk.until(105.0)
    age_s = increase("hark_partial_age_seconds_sum", lambda: talk.send(partial(4_500), took_s=0.2))
    assert age_s == 0.7


def test_a_final_counts_from_when_the_server_could_know_that_it_was_over(talk: Talk) -> None:
    talk.send(SpeechEnded(at_ms=4_000))
    talk.until(104.8)
    end_s = increase("hark_final_seconds_sum", lambda: talk.send(final(500, 4_100), took_s=0.1), model=MODEL)
    assert end_s == 0.4  # 4.0 s, and 0.5 s of silence behind them
    talk.send(SpeechEnded(at_ms=8_000))
    talk.until(108.8)
    spoken_s = increase("hark_speech_to_final_seconds_sum", lambda: talk.send(final(5_000, 8_100), took_s=0.1), model=MODEL)
    assert spoken_s == 0.9


def test_a_late_final_is_not_mistaken_for_that_of_the_next_utterance(talk: Talk) -> None:
    for at_ms in (4_000, 7_000):
        talk.send(SpeechEnded(at_ms=at_ms))
    talk.until(108.0)
    assert increase("hark_final_seconds_sum", lambda: talk.send(final(500, 4_100)), model=MODEL) == 3.5


def test_a_final_that_was_asked_for_counts_from_the_question(talk: Talk) -> None:
    talk.until(104.0)
    talk.measures.finalized()
    talk.until(104.3)
    asked_s = increase("hark_final_seconds_sum", lambda: talk.send(final(500, 4_000, from_finalize=True)), model=MODEL)
    assert asked_s == 0.3


def test_a_final_in_the_middle_of_speech_counts_what_recognition_took(talk: Talk) -> None:
    talk.until(109.0)
    talk.session.results.latency.recognised(50.0, 200.0)
    assert increase("hark_final_seconds_sum", lambda: talk.send(final(500, 8_000)), model=MODEL) == 0.25
    assert increase("hark_speech_to_final_seconds_count", lambda: talk.send(final(500, 8_000)), model=MODEL) == 0


def test_a_file_that_is_sent_at_once_counts_what_recognition_took(talk: Talk) -> None:
    talk.send(SpeechEnded(at_ms=4_000))
    talk.until(101.0, received_s=60.0)
    talk.session.results.latency.recognised(50.0, 200.0)
    assert increase("hark_final_seconds_sum", lambda: talk.send(final(500, 4_100)), model=MODEL) == 0.25


def test_what_a_client_did_not_send_for_a_while_is_not_late(talk: Talk) -> None:
    talk.send(SpeechEnded(at_ms=4_000))
    talk.until(134.6, received_s=4.6)  # it was away for half a minute, and sent the silence behind its words just now
    assert increase("hark_final_seconds_sum", lambda: talk.send(final(500, 4_100)), model=MODEL) == 0.1


def test_what_is_told_again_after_a_resume_is_not_counted_again(talk: Talk) -> None:
    talk.until(105.0)
    again = partial(4_500)
    talk.send(again)
    assert increase("hark_partial_age_seconds_count", lambda: talk.send(again)) == 0
    assert increase("hark_final_seconds_count", lambda: talk.send(final(0, 900), is_stored=False), model=MODEL) == 0
    gap = Gap(from_ms=1_000, to_ms=3_500, reason="lost")
    assert increase("hark_gap_seconds_total", lambda: talk.send(gap), reason="lost") == 2.5
    assert increase("hark_gap_seconds_total", lambda: talk.send(gap), reason="lost") == 0


def test_the_first_text_of_a_session_is_counted_once(talk: Talk) -> None:
    talk.until(101.5)
    talk.session.results.latency.sent_text(talk.clock.now_s, 500)
    assert increase("hark_first_text_seconds_sum", lambda: talk.send(partial(1_400), took_s=0.1)) == 1.1
    assert increase("hark_first_text_seconds_count", lambda: talk.send(partial(1_600))) == 0


def test_audio_is_counted_as_it_came_and_never_twice(talk: Talk) -> None:
    before_s = audio_seconds()
    talk.until(102.5)
    talk.measures.tally()
    talk.measures.tally()
    talk.until(104.0)
    talk.measures.tally()
    assert audio_seconds() - before_s == pytest.approx(4.0)


def test_a_session_that_another_process_began_counts_from_here(talk: Talk) -> None:
    talk.until(103.0)
    talk.session.results.gaps.append(Gap(from_ms=1_000, to_ms=2_000, reason="lost"))
    started = increase("hark_sessions_started_total", talk.measures.restored)
    before_s = audio_seconds()
    talk.until(104.0)
    talk.measures.tally()
    assert started == 0
    assert audio_seconds() - before_s == pytest.approx(1.0)
    assert increase("hark_gap_seconds_total", lambda: talk.send(talk.session.results.gaps[0]), reason="lost") == 0


def test_a_final_is_counted_by_model_and_language(talk: Talk) -> None:
    record = RecordFinal(final(0, 900), Checkpoint(), Timings(queue_ms=10.0, infer_ms=90.0))
    assert increase("hark_segments_total", lambda: talk.measures.recorded(record), model=MODEL, language="en") == 1
    assert increase("hark_confidence_sum", lambda: talk.measures.recorded(record)) == 0.9


def test_a_session_begins_once_and_ends_once(talk: Talk) -> None:
    end = RecordEnd("incomplete", "", Account(0, 0, 0, 0), (), {})
    assert increase("hark_sessions_started_total", talk.measures.began) == 1
    assert increase("hark_sessions_started_total", talk.measures.began) == 0
    assert increase("hark_sessions_ended_total", lambda: talk.measures.recorded(end), outcome="incomplete") == 1
    error = SessionError(code="internal", message="", retryable=True)
    assert increase("hark_sessions_ended_total", lambda: talk.send(error), outcome="failed") == 0


def test_an_error_before_ready_counts_as_begun_failed_and_refused(talk: Talk) -> None:
    talk.session.terms.model = ""
    error = SessionError(code="server_full", message="", retryable=True)
    before = [value("hark_sessions_started_total"), value("hark_sessions_ended_total", outcome="failed")]
    before += [value("hark_session_errors_total", code="server_full"), value("hark_refusals_total", reason="server_full")]
    talk.send(error)
    after = [value("hark_sessions_started_total"), value("hark_sessions_ended_total", outcome="failed")]
    after += [value("hark_session_errors_total", code="server_full"), value("hark_refusals_total", reason="server_full")]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1, 1, 1]
