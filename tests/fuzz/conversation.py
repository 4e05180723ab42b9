"""Any client, any network, any recognition: says arbitrary things to a session, in any order, and checks what it does.

The session is the real one (`transcription.session`, all of it); recognition, the database and the clock are played
here. Every frame of audio says its own number, so whatever is handed on twice, out of order or not at all is noticed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from inference import messages as link
from transcription.protocol import Ack, Done, FinalResult, Gap, GoingAway, Nack, Ready, Resume, Resumed, SessionError, Start
from transcription.session import actions as act
from transcription.session.intake import MAX_HELD_BYTES, MAX_HELD_PIECES, OFFSET, AudioFormat, ReliableIntake
from transcription.session.results import MAX_KEPT_FINALS, MAX_KEPT_GAPS
from transcription.session.stream_session import Phase, Restored, StreamSession
from transcription.session.terms import Terms

MODEL: Final = link.ModelInfo(name="fake", engine="fake", languages=("en", "de"), multilingual=True)
TIMINGS: Final = link.Timings(queue_ms=0.0, infer_ms=0.0)
MAX_HELD_CHANGES: Final = 100
NUM_FRAMES: Final = st.integers(0, 12_000)
SMALL: Final = st.integers(0, 5)
FORMATS: Final = st.sampled_from(
    [("pcm_s16le", 16_000, 1), ("pcm_s16le", 44_100, 2), ("pcm_f32le", 48_000, 2), ("mulaw", 8_000, 1), ("alaw", 8_000, 2)]
)
GARBAGE: Final = st.one_of(
    st.text(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value)),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["start", "resume", "configure", "finalize", "ping", "end", "ready", "audio"])},
        optional={
            name: st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=2)
            for name in (
                "language",
                "samples",
                "id",
                "token",
                "session",
                "oldest",
                "sample_rate",
                "reliable",
                "words",
                "hotwords",
            )
        },
    ).map(json.dumps),
)
"""Text that may be JSON, and JSON that may be a message."""


def numbered(first: int, count: int, frame_bytes: int) -> bytes:
    """Frames that say which they are."""
    return b"".join(((first + place) * 2_654_435_761 % 2**32).to_bytes(8, "little")[:frame_bytes] for place in range(count))


@dataclass
class Database:
    """What is stored of the session; `waiting` is not stored yet."""

    finals: list[FinalResult] = field(default_factory=list)
    checkpoint: link.Checkpoint = link.Checkpoint()
    gaps: tuple[Gap, ...] = ()
    end: act.RecordEnd | None = None
    options: Start | None = None
    waiting: list[act.RecordAction] = field(default_factory=list)

    def store(self, entry: act.RecordAction) -> None:
        match entry:
            case act.RecordStart(options=options):
                self.options = options
            case act.RecordFinal(final=final, checkpoint=checkpoint):
                assert final.segment == len(self.finals), "finals are not contiguous"
                self.finals.append(final)
                self._advance(checkpoint)
            case act.RecordCheckpoint(checkpoint=checkpoint, gaps=gaps, options=options):
                self._advance(checkpoint)
                self.gaps, self.options = gaps, options
            case act.RecordEnd():
                assert self.end is None, "a session ends once"
                self.end, self.gaps = entry, entry.gaps

    def _advance(self, checkpoint: link.Checkpoint) -> None:
        assert checkpoint.settled_samples >= self.checkpoint.settled_samples, "the checkpoint went back"
        self.checkpoint = checkpoint


@dataclass
class Recognition:
    """An inference process as far as one stream sees it. Positions in samples at 16 kHz."""

    format: AudioFormat
    checkpoint: link.Checkpoint = link.Checkpoint()
    num_frames: int = 0
    lost: list[tuple[int, int]] = field(default_factory=list)
    is_opened: bool = False
    is_ending: bool = False
    is_over: bool = False

    def take(self, payload: bytes) -> None:
        assert payload, "no audio at all was handed on"
        assert not len(payload) % self.format.frame_bytes, "a frame was cut"
        count = len(payload) // self.format.frame_bytes
        assert payload == numbered(self.num_frames, count, self.format.frame_bytes), "frames are doubled or out of order"
        self.num_frames += count

    def lose(self, num_frames: int) -> None:
        assert num_frames > 0
        self.lost.append((self.num_frames, self.num_frames + num_frames))
        self.num_frames += num_frames

    @property
    def received(self) -> int:
        return self.format.samples_at(self.num_frames)

    def settle(self, position: int, *, is_speech: bool) -> link.Checkpoint:
        """Everything before `position` is counted; what is missing as missing."""
        old = self.checkpoint
        total = max(0, position - old.settled_samples)
        gap = min(total, self._lost_between(old.settled_samples, position))
        name = "transcribed_samples" if is_speech else "silence_samples"
        self.checkpoint = structs.replace(
            old, gap_samples=old.gap_samples + gap, **{name: getattr(old, name) + total - gap}, next_segment=old.next_segment
        )
        return self.checkpoint

    def _lost_between(self, start: int, end: int) -> int:
        spans = [(self.format.samples_at(first), self.format.samples_at(last)) for first, last in self.lost]
        return sum(max(0, min(last, end) - max(first, start)) for first, last in spans)


class Conversation(RuleBasedStateMachine):
    """One session and all that can happen to it, other web processes included."""

    makes_session: Callable[..., StreamSession] = StreamSession

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0
        self.database = Database()
        self.recognition: Recognition | None = None
        self.told: list[Any] = []
        self.is_closed = False
        self.position = 0
        self.num_told_finals = 0
        self.acked_settled = 0
        self.num_processes = 1
        self.session = self._new_session()

    def _new_session(self) -> StreamSession:
        return self.makes_session("s-1", Terms("en", lambda: (MODEL,)), lambda: self.now_s, resume_token="secret", resume_s=120)

    @property
    def format(self) -> AudioFormat:
        return self.session.arrival.format

    # What the session asks for

    def perform(self, actions: list[act.Action]) -> None:
        for place, action in enumerate(actions):
            match action:
                case act.Send(message=message):
                    self.hear(message, actions[:place])
                case act.Close():
                    assert not self.is_closed, "closed twice"
                    self.is_closed = True
                case act.OpenRecognition(options=options, checkpoint=checkpoint):
                    self.open(options, checkpoint)
                case act.RecordStart() | act.RecordFinal() | act.RecordCheckpoint() | act.RecordEnd():
                    self.database.waiting.append(action)
                case _:
                    self.tell_recognition(action)

    def open(self, options: link.StreamOptions, checkpoint: link.Checkpoint) -> None:
        assert self.recognition is None or self.recognition.is_over, "opened twice"
        given = AudioFormat(options.encoding, options.sample_rate_hz, options.num_channels)
        self.recognition = Recognition(given, checkpoint, given.frames_at(checkpoint.settled_samples))

    def tell_recognition(self, action: act.Action) -> None:
        recognition = self.recognition
        assert recognition is not None, f"{action} before recognition was opened"
        match action:
            case act.SendAudio(payload=payload):
                assert not recognition.is_ending, "audio after the end"
                recognition.take(payload)
            case act.SendGap(num_frames=num_frames):
                assert not recognition.is_ending, "a gap after the end"
                recognition.lose(num_frames)
            case act.EndRecognition():
                recognition.is_ending = True
            case act.CancelRecognition():
                recognition.is_over = True
            case _:
                pass

    def hear(self, message: Any, before: list[act.Action]) -> None:
        """What the client is told over its present socket."""
        assert not self.is_closed, f"{message} after the close"
        assert not any(isinstance(each, Done | SessionError) for each in self.told), f"{message} after the terminal message"
        self.told.append(message)
        match message:
            case FinalResult():
                is_again = message.segment < self.num_told_finals
                recorded = [each.final.segment for each in before if isinstance(each, act.RecordFinal)]
                assert is_again or message.segment in recorded or self._is_stored(message), "told before it was recorded"
                assert message.segment <= self.num_told_finals or self._is_stored(message), "a final was left out"
                self.num_told_finals = max(self.num_told_finals, message.segment + 1)
            case Ack():
                self.judge_ack(message)
            case Nack():
                assert self.session.arrival.intake.num_frames <= message.from_sample < message.to_sample
            case Done():
                self.judge_done(message)
            case Ready():
                assert sum(isinstance(each, Ready) for each in self.told) == 1
            case _:
                pass

    def _is_stored(self, final: FinalResult) -> bool:
        return any(each.segment == final.segment for each in self.database.finals)

    def judge_ack(self, ack: Ack) -> None:
        num_frames = self.session.arrival.intake.num_frames
        assert ack.received == num_frames
        assert ack.settled <= ack.received
        assert ack.settled <= self.format.frames_at(self.database.checkpoint.settled_samples), "settled before it was stored"
        assert ack.credit_ms >= 0
        assert ack.settled >= self.acked_settled, "what was settled is not any more"
        self.acked_settled = ack.settled

    def judge_done(self, done: Done) -> None:
        recognition = self.recognition
        assert done.received_ms == done.transcribed_ms + done.silence_ms + done.gap_ms
        assert min(done.transcribed_ms, done.silence_ms, done.gap_ms) >= 0
        assert done.complete == (done.gap_ms == 0)
        if recognition is not None and not recognition.is_over:
            assert done.received_ms == recognition.received // 16
            has_gap = recognition.checkpoint.gap_samples > 0 and done.received_ms > 0  # of less than 1 ms nothing can be said
            assert done.complete == (not has_gap)

    # The client

    @initialize(mode=st.sampled_from(["bare", "plain", "reliable", "reliable", "reliable"]), given=FORMATS, words=st.booleans())
    def begin(self, mode: str, given: tuple[str, int, int], words: bool) -> None:
        if mode != "bare":
            encoding, rate_hz, channels = given
            start = {"type": "start", "encoding": encoding, "sample_rate": rate_hz, "channels": channels}
            self.text(start | {"reliable": mode == "reliable", "words": words})

    def text(self, fields: dict[str, Any]) -> None:
        self.perform(self.session.on_text(json.dumps(fields)))

    @rule(text=GARBAGE)
    def say_garbage(self, text: str) -> None:
        self.perform(self.session.on_text(text))

    @rule(kind=st.sampled_from(["finalize", "ping", "start", "resume"]))
    def say(self, kind: str) -> None:
        self.text({"type": kind} | ({"session": "s-1", "token": "secret"} if kind == "resume" else {}))

    @rule(language=st.sampled_from(["en", "de", "auto", "xx"]), words=st.booleans())
    def configure(self, language: str, words: bool) -> None:
        self.text({"type": "configure", "language": language, "words": words, "endpoint_ms": 300})

    @rule(ahead=st.none() | st.integers(-5_000, 50_000) | st.just(2**53 - 1))
    def end(self, ahead: int | None) -> None:
        samples = None if ahead is None else max(0, self.position + ahead)
        self.text({"type": "end", "samples": samples})

    @rule(count=NUM_FRAMES)
    def send_on(self, count: int) -> None:
        self.send(self.position, count)
        self.position += count

    @rule(skipped=NUM_FRAMES, count=NUM_FRAMES)
    def leave_out(self, skipped: int, count: int) -> None:
        self.send(self.position + skipped, count)
        self.position += skipped + count

    @rule(back=NUM_FRAMES, count=NUM_FRAMES)
    def send_again(self, back: int, count: int) -> None:
        self.send(max(0, self.position - back), count)

    @precondition(lambda self: self.session.is_reliable)
    @rule()
    def send_what_is_wanted(self) -> None:
        wanted = self.session.arrival.intake.num_frames
        self.send(wanted, min(max(0, self.position - wanted), 12_000))

    @precondition(lambda self: self.session.is_reliable)
    @rule(frame=st.binary(max_size=24) | st.integers(0, 2**64 - 1).map(OFFSET.pack))
    def send_garbage(self, frame: bytes) -> None:
        """A frame of nothing, or one that must end the session: its audio would not be numbered as ours is."""
        if len(frame) == OFFSET.size or len(frame) < OFFSET.size:
            self.perform(self.session.on_audio(frame))

    @rule(is_audio=st.booleans(), step=st.integers(1, 3), count=st.integers(0, 2), really=st.integers(0, 9))
    def flood(self, is_audio: bool, step: int, count: int, really: int) -> None:
        """A thousand of the smallest things that have to be kept; rarely, as it takes its time."""
        if really:
            return
        for number in range(MAX_HELD_PIECES + 1 if is_audio and self.session.is_reliable else MAX_HELD_CHANGES + 1):
            if is_audio and self.session.is_reliable:
                self.send(self.position + 2 + number * step, count)
            elif not is_audio:
                self.text({"type": "configure", "endpoint_ms": 300})

    def send(self, first: int, count: int) -> None:
        intake = self.session.arrival.intake
        if self.session.phase is Phase.WAITING or self.session.phase is Phase.OVER:
            self.position = 0
        if isinstance(intake, ReliableIntake):
            self.perform(self.session.on_audio(OFFSET.pack(first) + numbered(first, count, self.format.frame_bytes)))
            return
        first, frame_bytes = intake.num_frames, self.format.frame_bytes  # plain audio cannot be left out
        self.perform(self.session.on_audio(numbered(first, count, frame_bytes)))

    # Recognition

    def _can_hear(self) -> bool:
        return self.recognition is not None and not self.recognition.is_over

    @precondition(lambda self: self._can_hear() and not self.recognition.is_opened)
    @rule()
    def recognition_opens(self) -> None:
        assert self.recognition is not None
        self.recognition.is_opened = True
        self.events(link.StreamOpened(stream=0, model="fake", language="en"))

    def _is_running(self) -> bool:
        return self._can_hear() and self.recognition is not None and self.recognition.is_opened

    @precondition(lambda self: self._is_running())
    @rule(share=st.floats(0, 1), from_finalize=st.booleans())
    def a_final_comes(self, share: float, from_finalize: bool) -> None:
        recognition = self.recognition
        assert recognition is not None
        start = recognition.checkpoint.settled_samples
        end = start + int(share * max(0, recognition.received - start))
        number = recognition.checkpoint.next_segment
        recognition.settle(end, is_speech=True)
        recognition.checkpoint = structs.replace(recognition.checkpoint, next_segment=number + 1)
        final = link.TranscriptFinal(
            stream=0, segment=number, text=f"final {number}", start_ms=start // 16, end_ms=end // 16, language="en",
            confidence=1.0, model="fake", words=(), from_finalize=from_finalize, timings=TIMINGS,
            checkpoint=recognition.checkpoint,
        )  # fmt: skip
        self.events(final, self._progress())

    def _progress(self, behind_ms: int = 0) -> link.StreamProgress:
        assert self.recognition is not None
        return link.StreamProgress(stream=0, checkpoint=self.recognition.checkpoint, behind_ms=behind_ms)

    @precondition(lambda self: self._is_running())
    @rule(share=st.floats(0, 1), behind_ms=st.integers(0, 10_000))
    def silence_is_settled(self, share: float, behind_ms: int) -> None:
        recognition = self.recognition
        assert recognition is not None
        start = recognition.checkpoint.settled_samples
        recognition.settle(start + int(share * max(0, recognition.received - start)), is_speech=False)
        self.events(self._progress(behind_ms))

    @precondition(lambda self: self._is_running())
    @rule(at_ms=st.integers(0, 10_000))
    def text_comes(self, at_ms: int) -> None:
        assert self.recognition is not None
        segment = self.recognition.checkpoint.next_segment
        partial = link.TranscriptUpdated(
            stream=0, segment=segment, text="so", stable="", start_ms=at_ms, end_ms=at_ms, timings=TIMINGS
        )
        self.events(link.SpeechStarted(stream=0, at_ms=at_ms), partial, link.SpeechEnded(stream=0, at_ms=at_ms))

    @precondition(lambda self: self._is_running() and self.recognition.is_ending)
    @rule()
    def recognition_is_done(self) -> None:
        recognition = self.recognition
        assert recognition is not None
        recognition.settle(recognition.received, is_speech=False)
        self.events(link.StreamDone(stream=0, checkpoint=recognition.checkpoint))
        recognition.is_over = True

    @precondition(lambda self: self._can_hear())
    @rule(retryable=st.booleans(), late=st.booleans())
    def recognition_fails(self, retryable: bool, late: bool) -> None:
        assert self.recognition is not None
        if late:  # a rare thing: most sessions shall live longer
            self.events(link.StreamFailed(stream=0, code="recognition_failed", message="It broke.", retryable=retryable))
            self.recognition.is_over = True

    def events(self, *events: link.AnyStreamEvent) -> None:
        self.perform(self.session.on_events(events))

    # Time, the database, sockets and processes

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 5.0, 30.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def the_tick_comes(self) -> None:
        """As the stream calls it: at its time, and only while a client is there."""
        due_s = self.session.next_tick_s
        if due_s is not None:
            self.now_s = max(self.now_s, due_s)
            self.perform(self.session.on_tick())
            again_s = self.session.next_tick_s
            assert again_s is None or again_s > self.now_s, "it would be called again at once, for ever"

    @rule(count=SMALL)
    def entries_are_stored(self, count: int) -> None:
        for _ in range(min(count, len(self.database.waiting))):
            entry = self.database.waiting.pop(0)
            self.database.store(entry)
            if isinstance(entry, act.RecordFinal | act.RecordCheckpoint) and self.session.is_reliable:
                self.session.on_stored(entry.checkpoint)

    @precondition(lambda self: self.session.can_resume)
    @rule(lacks=SMALL, forgotten=st.integers(-20_000, 20_000) | st.none())
    def the_client_comes_back(self, lacks: int, forgotten: int | None) -> None:
        self.come_back(lacks, forgotten)

    def come_back(self, lacks: int, forgotten: int | None) -> None:
        wanted = self.session.arrival.intake.num_frames
        oldest = None if forgotten is None else max(0, wanted + forgotten)
        self.told, self.is_closed = [], False
        next_segment = max(0, self.num_told_finals - lacks)
        resume = Resume(session="s-1", token="secret", next_segment=next_segment, oldest=oldest)
        self.perform(self.session.on_resume(resume))
        if any(isinstance(message, Resumed) for message in self.told):
            offset = self.session.arrival.intake.num_frames
            self.position = max(self.position, offset)
            assert offset >= self.acked_settled, "what was settled is wanted again"

    @precondition(lambda self: self.session.can_resume and self.num_processes < 4)
    @rule(lacks=SMALL, forgotten=st.integers(0, 20_000) | st.none(), is_told=st.booleans())
    def another_process_takes_over(self, lacks: int, forgotten: int | None, is_told: bool) -> None:
        """The old one was killed, with what it had not stored; or it was told to stop, and stored everything."""
        if is_told:
            self.is_closed, self.told = False, []
            self.perform(self.session.on_drain())
            self.entries_are_stored(len(self.database.waiting))
        stored = self.database
        if stored.options is None or (stored.end is not None and stored.end.error_code):
            return
        self.database.waiting.clear()
        self.num_processes += 1
        self.num_told_finals = len(stored.finals)
        self.recognition = None
        self.session = self._new_session()
        done = None if stored.end is None else self._stored_done(stored.end)
        restored = Restored(stored.options, "fake", stored.checkpoint, tuple(stored.finals), stored.gaps, done)
        self.perform(self.session.restore(restored))
        self.come_back(lacks, forgotten)

    def _stored_done(self, end: act.RecordEnd) -> Done:
        account = end.account
        return Done(
            session="s-1", received_ms=account.received_ms, transcribed_ms=account.transcribed_ms, silence_ms=account.silence_ms,
            gap_ms=account.gap_ms, num_segments=len(self.database.finals), complete=account.is_complete,
        )  # fmt: skip

    @rule(how=st.sampled_from(["gone", "silent", "idle", "too long", "drain", "crash"]), really=st.integers(0, 3))
    def the_server_acts(self, how: str, really: int) -> None:
        """Rarely what ends a session."""
        acts: dict[str, Callable[[], list[act.Action]]] = {
            "gone": self.session.on_disconnect,
            "silent": self.session.on_silence_of_client,
            "idle": lambda: self.session.on_idle(60),
            "too long": lambda: self.session.on_too_long(60),
            "drain": self.session.on_drain,
            "crash": self.session.on_crash,
        }
        if really == 0 or how == "silent":
            self.perform(acts[how]())

    # What always holds

    @invariant()
    def every_frame_is_handed_on_once(self) -> None:
        if self._can_hear() and self.recognition is not None:
            assert self.recognition.num_frames == self.session.arrival.intake.num_frames

    @invariant()
    def memory_is_bounded(self) -> None:
        session, intake = self.session, self.session.arrival.intake
        if isinstance(intake, ReliableIntake):
            assert intake._num_held_bytes <= MAX_HELD_BYTES
            assert len(intake._held) <= MAX_HELD_PIECES
        assert len(session._held) <= MAX_HELD_CHANGES
        assert len(session.results._finals) <= MAX_KEPT_FINALS
        assert len(session.results.gaps) <= MAX_KEPT_GAPS

    @invariant()
    def a_session_that_is_over_has_said_so(self) -> None:
        terminals = [message for message in self.told if isinstance(message, Done | SessionError)]
        assert len(terminals) <= 1
        if self.session.phase is Phase.OVER and self.is_closed:
            assert terminals or any(isinstance(message, GoingAway) for message in self.told)

    @invariant()
    def an_end_that_is_whole_reaches_recognition(self) -> None:
        """Else the client waits for ever."""
        is_ending = self.session.phase is Phase.ENDING and self.session.arrival.is_whole
        if is_ending and self.recognition is not None and self.session.arrival.container is None:
            assert self.recognition.is_ending

    @invariant()
    def what_is_missing_is_waited_for(self) -> None:
        """A hole has a time at which something is done about it."""
        if self.session.phase in {Phase.LIVE, Phase.ENDING} and not self.session.arrival.is_whole:
            assert self.session.next_tick_s is not None
