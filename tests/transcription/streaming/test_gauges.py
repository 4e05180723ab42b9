"""What is looked at in living streams, links and recorders when somebody reads the meters."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from transcription.metrics.meters import web
from transcription.session.stream_session import Phase, StreamSession
from transcription.session.terms import Terms
from transcription.streaming import caretaking, gauges
from transcription.streaming.measuring import StreamMeasures


def stream(model: str, language: str, phase: Phase = Phase.LIVE, *, is_speaking: bool = False) -> Any:
    session = StreamSession("s", Terms("en", tuple), lambda: 0.0)
    session.terms.model, session.terms.language, session.phase = model, language, phase
    session.results._last_speech_ms = 500 if is_speaking else -1
    return SimpleNamespace(session=session, measures=StreamMeasures(session))


@pytest.fixture
def living(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    streams: list[Any] = []
    monkeypatch.setattr(gauges, "every_live_stream", lambda: streams)
    return streams


def test_sessions_are_counted_by_model_and_language_and_are_0_when_they_are_gone(living: list[Any]) -> None:
    living += [stream("tiny", "en"), stream("tiny", "en", Phase.ENDING), stream("base", "zh"), stream("", "", Phase.OPENING)]
    found = gauges.sessions_live()
    assert (found["tiny", "en"], found["base", "zh"]) == (2, 1)
    living.clear()
    gone = gauges.sessions_live()
    assert (gone["tiny", "en"], gone["base", "zh"]) == (0, 0)


def test_those_who_speak_are_counted(living: list[Any]) -> None:
    living += [
        stream("tiny", "en", is_speaking=True),
        stream("tiny", "en"),
        stream("tiny", "en", Phase.OVER, is_speaking=True),
    ]
    assert gauges.streams_speaking() == {(): 1}


def test_audio_counts_when_somebody_looks(living: list[Any]) -> None:
    before_s = gauges.audio_received()[()]
    living.append(stream("tiny", "en"))
    living[0].session.arrival.intake.num_frames = 24_000
    assert gauges.audio_received()[()] - before_s == pytest.approx(1.5)


def test_links_and_what_waits_are_those_of_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    links = [SimpleNamespace(name="inference-0", can_take=True), SimpleNamespace(name="inference-1", can_take=False)]
    monkeypatch.setattr(gauges, "every_client", lambda: [SimpleNamespace(workers=links)])
    monkeypatch.setattr(gauges, "every_recorder", lambda: [SimpleNamespace(num_waiting=3), SimpleNamespace(num_waiting=4)])
    assert gauges.links_up() == {("inference-0",): 1, ("inference-1",): 0}
    assert gauges.recorder_waiting() == {(): 7}


async def test_the_event_loop_measures_how_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    monkeypatch.setattr(caretaking, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(caretaking, "look_after", lambda _now_s: looked.set())
    before = web.registry.get_sample_value("hark_event_loop_lag_seconds_count") or 0.0
    caretaking.ensure_caretaker()
    await looked.wait()
    await caretaking.stop_caretaker()
    assert (web.registry.get_sample_value("hark_event_loop_lag_seconds_count") or 0.0) > before
