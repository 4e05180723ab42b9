"""The conversation of one stream: what comes in, what is to be done. No socket, no database, no clock."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from inference import messages as link
from inference.audio import to_samples
from transcription.protocol import (
    MAX_FRAME_BYTES,
    CloseCode,
    Done,
    FinalResult,
    Lag,
    PartialResult,
    Pong,
    Ready,
    ServerMessage,
    SessionError,
    SessionWarning,
    SpeechEnded,
    SpeechStarted,
)
from transcription.session.actions import (
    Action,
    CancelRecognition,
    Close,
    ConfigureRecognition,
    EndRecognition,
    FinalizeRecognition,
    OpenRecognition,
    RecordEnd,
    RecordFinal,
    RecordStart,
    Send,
    SendAudio,
)
from transcription.session.results import LAG_EVERY_S, LAG_MS
from transcription.session.stream_session import MAX_BAD_MESSAGES, Phase, StreamSession
from transcription.session.terms import Terms

ActionT = TypeVar("ActionT", bound=Action)
MessageT = TypeVar("MessageT", bound=ServerMessage)
ENGLISH = link.ModelInfo(name="whisper-tiny.en", engine="whisper", languages=("en",), multilingual=False)
MANY = link.ModelInfo(name="whisper-base", engine="whisper", languages=("en", "zh", "de"), multilingual=True)
TIMINGS = link.Timings(queue_ms=1.0, infer_ms=2.0)
SECOND = bytes(32_000)


@dataclass
class Talk:
    """A session with a clock that is set by hand, and everything that it asked for."""

    models: Sequence[link.ModelInfo] = (ENGLISH, MANY)
    now_s: float = 100.0
    actions: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = StreamSession("s-1", Terms("en", lambda: self.models), lambda: self.now_s)

    def tell(self, kind: str, **fields: Any) -> list[Action]:
        return self.note(self.session.on_text(json.dumps({"type": kind} | fields)))

    def text(self, text: str) -> list[Action]:
        return self.note(self.session.on_text(text))

    def audio(self, payload: bytes) -> list[Action]:
        return self.note(self.session.on_audio(payload))

    def hear(self, *events: link.AnyStreamEvent) -> list[Action]:
        return self.note(self.session.on_events(events))

    def note(self, actions: list[Action]) -> list[Action]:
        self.actions += actions
        return actions

    def of(self, kind: type[ActionT]) -> list[ActionT]:
        return [action for action in self.actions if isinstance(action, kind)]

    def sent(self, kind: type[MessageT]) -> list[MessageT]:
        return [action.message for action in self.of(Send) if isinstance(action.message, kind)]

    @property
    def codes(self) -> list[str]:
        """Of everything that was warned of or ended the session."""
        messages = [action.message for action in self.of(Send)]
        return [message.code for message in messages if isinstance(message, SessionWarning | SessionError)]


def opened(model: str = ENGLISH.name) -> link.StreamOpened:
    return link.StreamOpened(stream=0, model=model, language="en")


def a_final(segment: int = 0, text: str = "hello") -> link.TranscriptFinal:
    return link.TranscriptFinal(
        stream=0,
        segment=segment,
        text=text,
        start_ms=100,
        end_ms=900,
        language="en",
        confidence=0.9,
        model=ENGLISH.name,
        words=(link.TimedWord(text=text, start_ms=100, end_ms=900, confidence=0.9),),
        from_finalize=False,
        timings=TIMINGS,
        checkpoint=link.Checkpoint(next_segment=segment + 1),
    )


def a_partial(segment: int = 0) -> link.TranscriptUpdated:
    return link.TranscriptUpdated(stream=0, segment=segment, text="hell", stable="", start_ms=100, end_ms=500, timings=TIMINGS)


def settled(transcribed: int = 0, silence: int = 0) -> link.Checkpoint:
    return link.Checkpoint(transcribed_samples=transcribed, silence_samples=silence)


def live(talk: Talk, **start: Any) -> Talk:
    """After start and opening; what was asked for so far is forgotten."""
    talk.tell("start", **start)
    talk.hear(opened(start.get("model", ENGLISH.name)))
    talk.actions.clear()
    return talk


@pytest.fixture
def talk() -> Talk:
    return Talk()


# Opening


def test_a_client_that_only_sends_audio_is_served_with_the_defaults(talk: Talk) -> None:
    actions = talk.audio(SECOND)

    assert actions == [OpenRecognition(link.StreamOptions(languages=("en",))), SendAudio(SECOND)]


def test_ready_follows_the_opening_and_is_recorded_before(talk: Talk) -> None:
    talk.tell("start", metadata={"call": 7})

    actions = talk.hear(opened())

    assert actions[0] == RecordStart(ENGLISH.name, "en", {"call": 7})
    assert isinstance(actions[1], Send)
    assert isinstance(actions[1].message, Ready)
    assert talk.session.phase is Phase.LIVE


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ({}, {"languages": ("en",)}),
        ({"language": "auto"}, {"languages": ()}),
        ({"language": "zh-CN"}, {"languages": ("zh",)}),
        ({"language": "EN_us"}, {"languages": ("en",)}),
        ({"language": ["en", "zh-TW"]}, {"languages": ("en", "zh-hant")}),
        ({"language": "zh_Hant_HK"}, {"languages": ("zh-hant",)}),
        ({"language": ["en-GB", "en-US"]}, {"languages": ("en",)}),
        ({"encoding": "pcm_f32le", "channels": 2}, {"encoding": "pcm_f32le", "num_channels": 2}),
        ({"sample_rate": 48_000}, {"sample_rate_hz": 48_000}),
        ({"endpoint_ms": 800, "max_segment_s": 7.5}, {"endpoint_ms": 800, "max_segment_ms": 7_500}),
        ({"interim": False, "model": "whisper-base"}, {"interim": False, "model": "whisper-base"}),
        ({"scenario": "general"}, {"languages": ("en",), "denoise": False}),
        ({"denoise": True}, {"denoise": True}),
        ({"hotwords": ["Hark", "Al-Fayoum"]}, {"hotwords": ("Hark", "Al-Fayoum")}),
    ],
)  # fmt: skip
def test_start_says_how_the_stream_is_heard(talk: Talk, start: dict[str, Any], expected: dict[str, Any]) -> None:
    (action,) = talk.tell("start", **start)

    assert isinstance(action, OpenRecognition)
    assert {name: getattr(action.options, name) for name in expected} == expected


def test_a_server_without_rnnoise_says_that_denoise_is_off_and_the_session_goes_on(talk: Talk) -> None:
    talk.tell("start", denoise=True)

    talk.hear(opened())

    assert talk.codes == ["option_not_available"]
    assert talk.session.phase is Phase.LIVE


@pytest.mark.parametrize("wanted", [True, False])
def test_nothing_is_said_of_denoise_where_it_is_as_asked_for(talk: Talk, wanted: bool) -> None:
    talk.tell("start", denoise=wanted)

    talk.hear(structs.replace(opened(), denoise=wanted))

    assert talk.codes == []


def test_a_late_start_is_told_that_denoise_stays_off(talk: Talk) -> None:
    talk.session.on_audio(bytes(320))

    (warning, *_others) = talk.tell("start", denoise=True)

    assert isinstance(warning, Send)
    assert isinstance(warning.message, SessionWarning)
    assert "denoise is fixed" in warning.message.message


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"hotwords": ["Hark"]}, ("Hark",)), ({"hotwords": []}, ()), ({"interim": False}, UNSET)],
)
def test_configure_changes_hotwords_only_when_it_gives_some(talk: Talk, change: dict[str, Any], expected: object) -> None:
    live(talk)

    (action,) = talk.tell("configure", **change)

    assert isinstance(action, ConfigureRecognition)
    assert action.hotwords == expected


def test_hotwords_of_a_late_start_count_from_the_next_segment(talk: Talk) -> None:
    live(talk)

    *_warning, action = talk.tell("start", hotwords=["Hark"])

    assert isinstance(action, ConfigureRecognition)
    assert action.hotwords == ("Hark",)


def test_a_file_that_begins_after_a_finalize_goes_on_with_the_numbers_of_its_finals(talk: Talk) -> None:
    """Recognition is opened anew for it; what was asked of the former and not answered is asked again."""
    live(talk)
    talk.tell("finalize")
    talk.hear(structs.replace(a_final(text=""), from_finalize=True))
    talk.tell("finalize")
    talk.actions.clear()

    talk.audio(b"OggS" + SECOND)

    assert [opening.checkpoint.next_segment for opening in talk.of(OpenRecognition)] == [1]
    assert len(talk.of(FinalizeRecognition)) == 1


@pytest.mark.parametrize("encoding", [None, "ogg"])
def test_a_late_start_that_fits_the_file_that_came_before_it_ends_nothing(talk: Talk, encoding: str | None) -> None:
    talk.audio(b"OggS" + SECOND)

    talk.tell("start", encoding=encoding, sample_rate=48_000)

    assert talk.codes == ["container_detected", "late_start"]


def test_configure_does_not_know_denoise(talk: Talk) -> None:
    talk.tell("start")
    talk.hear(opened())

    talk.tell("configure", denoise=True)

    assert talk.codes == ["unknown_option"]


# Bad input


@pytest.mark.parametrize(
    ("name", "frames", "code", "close"),
    [
        ("not JSON", ["hello"], "invalid_json", CloseCode.BAD_REQUEST),
        ("unknown message", ['{"type":"begin"}'], "unknown_message", CloseCode.BAD_REQUEST),
        ("wrong type", ['{"type":"start","interim":3}'], "invalid_option", CloseCode.BAD_REQUEST),
        ("unsupported encoding", ['{"type":"start","encoding":"aiff"}'], "unsupported_encoding", CloseCode.BAD_REQUEST),
        ("unsupported rate", ['{"type":"start","sample_rate":4000}'], "unsupported_sample_rate", CloseCode.BAD_REQUEST),
        ("too deep", ["[" * 99], "invalid_json", CloseCode.BAD_REQUEST),
        ("too long", ["x" * 70_000], "message_too_long", CloseCode.POLICY),
        ("too long while live", [SECOND, "x" * 70_000], "message_too_long", CloseCode.POLICY),
        ("frame over 1 MiB", [bytes(MAX_FRAME_BYTES + 1)], "frame_too_large", CloseCode.POLICY),
        ("a later frame over 1 MiB", [SECOND, bytes(MAX_FRAME_BYTES + 1)], "frame_too_large", CloseCode.POLICY),
        ("contradicting start", [SECOND, '{"type":"start","sample_rate":8000}'], "start_after_audio", CloseCode.BAD_REQUEST),
        ("a container named late", [SECOND, '{"type":"start","encoding":"webm"}'], "start_after_audio", CloseCode.BAD_REQUEST),
        (
            "another container named late",
            [b"OggS" + SECOND, '{"type":"start","encoding":"webm"}'],
            "start_after_audio",
            CloseCode.BAD_REQUEST,
        ),
        (
            "bare samples named after a file",
            [b"OggS" + SECOND, '{"type":"start","encoding":"pcm_s16le"}'],
            "start_after_audio",
            CloseCode.BAD_REQUEST,
        ),
        (
            "a file in bare samples",
            ['{"type":"start","encoding":"pcm_f32le"}', b"OggS" + SECOND],
            "unsupported_encoding",
            CloseCode.BAD_REQUEST,
        ),
        ("a numbered file", ['{"type":"start","reliable":true,"encoding":"flac"}'], "unsupported_option", CloseCode.BAD_REQUEST),
        ("scenario", ['{"type":"start","scenario":"court"}'], "unsupported_option", CloseCode.BAD_REQUEST),
    ],
)
def test_bad_input_ends_the_session_with_one_error(name: str, frames: list[str | bytes], code: str, close: CloseCode) -> None:
    talk = Talk()
    for frame in frames:
        if isinstance(frame, bytes):
            talk.audio(frame)
        else:
            talk.text(frame)

    (error,) = talk.sent(SessionError)
    assert error.code == code, name
    assert talk.actions[-2:] == [Send(error), Close(close, code)]
    assert talk.audio(SECOND) == talk.text('{"type":"ping"}') == talk.hear(a_final()) == []
    assert len(talk.of(CancelRecognition)) == len(talk.of(OpenRecognition))


def test_a_frame_of_exactly_one_mebibyte_is_fine(talk: Talk) -> None:
    talk.audio(bytes(MAX_FRAME_BYTES))

    assert talk.codes == []


def test_what_cannot_be_read_while_live_is_a_warning(talk: Talk) -> None:
    live(talk)

    for text in ["hello", '{"type":"begin"}', '{"type":"configure","interim":1}']:
        talk.text(text)

    assert talk.codes == ["invalid_json", "unknown_message", "invalid_option"]
    assert talk.session.phase is Phase.LIVE


def test_too_many_bad_messages_end_the_session(talk: Talk) -> None:
    live(talk)

    for _ in range(MAX_BAD_MESSAGES + 1):
        talk.text("hello")

    assert talk.codes == ["invalid_json"] * MAX_BAD_MESSAGES + ["too_many_bad_messages"]


def test_odd_bytes_are_joined_with_the_next_frame_and_told_once(talk: Talk) -> None:
    talk.audio(b"\1\2\3")
    talk.audio(b"\4\5\6")
    talk.audio(b"\7")

    assert [action.payload for action in talk.of(SendAudio)] == [b"\1\2", b"\3\4\5\6"]
    assert talk.codes == ["odd_byte_count"]


def test_bytes_left_at_the_end_are_told(talk: Talk) -> None:
    talk.audio(b"\1\2\3")
    talk.tell("end")

    assert talk.codes == ["odd_byte_count", "incomplete_sample"]


def test_an_empty_frame_is_nothing(talk: Talk) -> None:
    assert talk.audio(b"") == []
    assert talk.session.phase is Phase.WAITING


# Commands


def test_a_ping_is_answered_before_start_too(talk: Talk) -> None:
    assert talk.tell("ping", id="a") == [Send(Pong(id="a"))]
    assert talk.session.phase is Phase.WAITING


def test_finalize_is_handed_on(talk: Talk) -> None:
    assert live(talk).tell("finalize") == [FinalizeRecognition()]


def test_end_asks_for_the_last_words_and_nothing_more_is_taken(talk: Talk) -> None:
    assert live(talk).tell("end") == [EndRecognition()]
    assert talk.audio(SECOND) == talk.tell("ping") == talk.tell("end") == []


def test_configure_before_start_is_a_warning(talk: Talk) -> None:
    talk.tell("configure", interim=False)

    assert talk.codes == ["configure_before_start"]


def test_configure_changes_what_it_names(talk: Talk) -> None:
    actions = live(talk).tell("configure", endpoint_ms=900, max_segment_s=8)

    assert actions == [ConfigureRecognition(endpoint_ms=900, max_segment_ms=8_000)]


@pytest.mark.parametrize(("language", "said"), [("zh", "zh"), ("auto", "auto"), (["en", "de"], "de")])
def test_a_language_that_the_model_does_not_know_is_refused(talk: Talk, language: Any, said: str) -> None:
    live(talk).tell("configure", language=language)

    (warning,) = talk.sent(SessionWarning)
    assert warning.code == "unsupported_language"
    assert said in warning.message
    assert ENGLISH.name in warning.message
    assert [change.languages for change in talk.of(ConfigureRecognition)] == [UNSET]


@pytest.mark.parametrize(("kind", "language"), [("configure", "xx"), ("start", "zh"), ("configure", "auto")])
def test_a_language_is_checked_against_the_model_that_opens_later(talk: Talk, kind: str, language: str) -> None:
    talk.audio(SECOND)

    talk.tell(kind, language=language)
    assert talk.of(ConfigureRecognition) == []
    talk.hear(opened())

    assert talk.codes[-1] == "unsupported_language"
    assert all(change.languages is UNSET for change in talk.of(ConfigureRecognition))


def test_a_change_that_came_while_opening_is_made_then(talk: Talk) -> None:
    talk.audio(SECOND)

    talk.tell("configure", language="zh")
    talk.hear(opened(MANY.name))

    assert talk.of(ConfigureRecognition) == [ConfigureRecognition(languages=("zh",))]


def test_a_late_start_that_says_the_same_counts_from_the_next_segment(talk: Talk) -> None:
    talk.audio(SECOND)
    talk.hear(opened(MANY.name))

    talk.tell("start", language="zh", endpoint_ms=700)

    assert talk.codes == ["late_start"]
    (change,) = talk.of(ConfigureRecognition)
    assert (change.languages, change.endpoint_ms) == (("zh",), 700)


def test_without_words_finals_come_bare_but_are_stored_whole(talk: Talk) -> None:
    live(talk, words=False).hear(a_final())

    assert [final.words for final in talk.sent(FinalResult)] == [[]]
    assert len(talk.of(RecordFinal)[0].final.words) == 1


# Results


def test_a_final_is_stored_right_before_it_is_announced(talk: Talk) -> None:
    record, send = live(talk).hear(a_final())

    assert isinstance(record, RecordFinal)
    assert send == Send(record.final)


def test_speech_and_partials_are_handed_on_in_order(talk: Talk) -> None:
    live(talk).hear(link.SpeechStarted(stream=0, at_ms=100), a_partial(), link.SpeechEnded(stream=0, at_ms=900), a_final())

    assert [type(action.message) for action in talk.of(Send)] == [SpeechStarted, PartialResult, SpeechEnded, FinalResult]


def test_a_replay_is_not_noticed(talk: Talk) -> None:
    started, ended = link.SpeechStarted(stream=0, at_ms=100), link.SpeechEnded(stream=0, at_ms=900)
    live(talk).hear(started, a_partial(), ended)

    talk.hear(opened(), started, ended, a_final())

    assert not talk.of(RecordStart)
    assert not talk.sent(Ready)
    assert len(talk.sent(SpeechStarted)) == len(talk.sent(SpeechEnded)) == len(talk.sent(FinalResult)) == 1


def test_falling_behind_is_told_now_and_then(talk: Talk) -> None:
    behind = link.StreamProgress(stream=0, checkpoint=settled(), behind_ms=LAG_MS)
    live(talk).hear(behind, behind)
    talk.now_s += LAG_EVERY_S
    talk.hear(behind, link.StreamProgress(stream=0, checkpoint=settled(), behind_ms=LAG_MS - 1))

    assert talk.sent(Lag) == [Lag(behind_ms=LAG_MS)] * 2


def test_the_wait_for_the_first_text_is_measured(talk: Talk) -> None:
    live(talk).audio(SECOND)
    talk.now_s += 1.5
    talk.hear(a_partial(), a_final(), link.StreamDone(stream=0, checkpoint=settled(16_000)))

    (record,) = talk.of(RecordEnd)
    assert record.latency == {"first_text_ms": 1_400.0, "final_queue_ms_max": 1.0, "final_infer_ms_max": 2.0}


# The end


@pytest.mark.parametrize(
    ("num_bytes", "rate_hz", "checkpoint", "expected"),
    [
        (32_000, 16_000, settled(10_000, 6_000), (1_000, 625, 375, 0)),
        (32_000, 16_000, settled(16_000, 0), (1_000, 1_000, 0, 0)),
        (32_000, 16_000, settled(0, 0), (1_000, 0, 0, 1_000)),
        (32_000, 16_000, settled(8_000, 0), (1_000, 500, 0, 500)),
        (32_010, 16_000, settled(7, 15_998), (1_000, 0, 1_000, 0)),
        (88_200, 44_100, settled(15_000, 998), (1_000, 937, 63, 0)),
        (0, 16_000, settled(), (0, 0, 0, 0)),
    ],
)
def test_the_account_adds_up(num_bytes: int, rate_hz: int, checkpoint: link.Checkpoint, expected: tuple[int, ...]) -> None:
    talk = live(Talk(), sample_rate=rate_hz)
    talk.audio(bytes(num_bytes))
    talk.tell("end")

    talk.hear(link.StreamDone(stream=0, checkpoint=checkpoint))

    (done,) = talk.sent(Done)
    assert (done.received_ms, done.transcribed_ms, done.silence_ms, done.gap_ms) == expected
    assert done.complete is (done.gap_ms == 0)
    assert talk.of(RecordEnd)[0].status == ("complete" if done.complete else "incomplete")
    assert talk.actions[-1] == Close(CloseCode.DONE, "done")


@settings(deadline=None)
@given(st.integers(0, 10**7), st.integers(8_000, 48_000), st.floats(0, 1), st.floats(0, 1))
def test_the_account_always_adds_up(num_frames: int, rate_hz: int, share_settled: float, share_spoken: float) -> None:
    talk = live(Talk(), sample_rate=rate_hz)
    talk.session.arrival.intake.num_frames = num_frames
    num_settled = round(num_frames * 16_000 // rate_hz * share_settled)
    num_spoken = round(num_settled * share_spoken)

    talk.hear(link.StreamDone(stream=0, checkpoint=settled(num_spoken, num_settled - num_spoken)))

    (done,) = talk.sent(Done)
    assert done.received_ms == done.transcribed_ms + done.silence_ms + done.gap_ms
    assert min(done.transcribed_ms, done.silence_ms, done.gap_ms) >= 0


def test_a_failure_of_recognition_is_told_with_its_code(talk: Talk) -> None:
    live(talk).hear(link.StreamFailed(stream=0, code="inference_unavailable", message="Gone.", retryable=True))

    assert talk.sent(SessionError) == [SessionError(code="inference_unavailable", message="Gone.", retryable=True)]
    assert talk.actions[-1] == Close(CloseCode.FULL, "inference_unavailable")
    assert talk.of(RecordEnd)[0].status == "failed"


def test_a_session_that_never_opened_leaves_no_record(talk: Talk) -> None:
    talk.tell("start")
    talk.hear(link.StreamFailed(stream=0, code="server_full", message="Full.", retryable=True))

    assert not talk.of(RecordEnd)
    assert not talk.of(RecordStart)
    assert talk.actions[-1] == Close(CloseCode.FULL, "server_full")


def test_a_client_that_leaves_is_heard_to_the_end(talk: Talk) -> None:
    live(talk).audio(SECOND)

    assert talk.note(talk.session.on_disconnect()) == [EndRecognition()]
    talk.hear(a_final(), link.StreamDone(stream=0, checkpoint=settled(16_000)))

    assert len(talk.of(RecordFinal)) == 1
    assert talk.of(RecordEnd)[0].status == "complete"


def test_a_client_that_leaves_before_saying_anything_leaves_nothing(talk: Talk) -> None:
    assert talk.session.on_disconnect() == []
    assert talk.session.phase is Phase.OVER


def test_a_client_that_leaves_while_opening_is_heard_too(talk: Talk) -> None:
    talk.audio(SECOND)

    assert talk.session.on_disconnect() == [EndRecognition()]
    assert [type(action) for action in talk.hear(opened())] == [RecordStart, Send]


def test_silence_of_the_client_ends_the_session(talk: Talk) -> None:
    talk.note(live(talk).session.on_idle(60))

    assert talk.codes == ["idle_timeout"]
    assert talk.actions[-1] == Close(CloseCode.IDLE, "idle_timeout")


STEPS: dict[str, Any] = {
    "start": lambda talk: talk.tell("start"),
    "strange start": lambda talk: talk.tell("start", sample_rate=8_000),
    "configure": lambda talk: talk.tell("configure", language="zh", interim=False),
    "finalize": lambda talk: talk.tell("finalize"),
    "ping": lambda talk: talk.tell("ping"),
    "end": lambda talk: talk.tell("end"),
    "garbage": lambda talk: talk.text("{"),
    "audio": lambda talk: talk.audio(SECOND),
    "odd audio": lambda talk: talk.audio(b"\1\2\3"),
    "huge audio": lambda talk: talk.audio(bytes(MAX_FRAME_BYTES + 1)),
    "disconnect": lambda talk: talk.note(talk.session.on_disconnect()),
    "idle": lambda talk: talk.note(talk.session.on_idle(5)),
    "crash": lambda talk: talk.note(talk.session.on_crash()),
    "opened": lambda talk: talk.hear(opened()),
    "partial": lambda talk: talk.hear(a_partial()),
    "final": lambda talk: talk.hear(a_final()),
    "done": lambda talk: talk.hear(link.StreamDone(stream=0, checkpoint=settled(to_samples(10)))),
    "failed": lambda talk: talk.hear(link.StreamFailed(stream=0, code="recognition_failed", message="Failed.", retryable=True)),
}


def can_happen(talk: Talk, name: str) -> bool:
    """Recognition says nothing before it was asked, and nothing but a failure before it opened."""
    if name in {"opened", "failed"}:
        return bool(talk.of(OpenRecognition))
    return name not in {"partial", "final", "done"} or bool(talk.of(RecordStart))


def assert_at_most_one_end(talk: Talk) -> None:
    terminal = [action for action in talk.of(Send) if isinstance(action.message, Done | SessionError)]
    assert len(terminal) <= 1
    assert len(talk.of(Close)) == len(terminal) == (talk.session.phase is Phase.OVER and bool(terminal))
    if terminal:
        assert talk.actions[-2:] == [terminal[0], talk.of(Close)[0]]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=15))
def test_whatever_comes_in_whatever_order_there_is_one_end_and_nothing_after_it(names: list[str]) -> None:
    talk = Talk()

    for name in names:
        if can_happen(talk, name):
            STEPS[name](talk)

    assert_at_most_one_end(talk)
    assert len(talk.of(OpenRecognition)) <= 1
    assert len(talk.of(RecordStart)) <= 1
    assert len(talk.of(RecordEnd)) <= len(talk.of(RecordStart))
    for before, after in pairwise(talk.actions):
        if isinstance(before, RecordFinal):
            assert isinstance(after, Send)
    asking = (SendAudio, FinalizeRecognition, EndRecognition, CancelRecognition, ConfigureRecognition)
    first_ask = next((index for index, action in enumerate(talk.actions) if isinstance(action, asking)), len(talk.actions))
    assert not any(isinstance(action, OpenRecognition) for action in talk.actions[first_ask:])


def test_two_ends_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: here the session forgets that it is over."""
    talk = live(Talk())
    done = link.StreamDone(stream=0, checkpoint=settled())
    talk.hear(done)
    talk.session.phase = Phase.LIVE
    talk.hear(done)

    with pytest.raises(AssertionError):
        assert_at_most_one_end(talk)
