"""One stream's conversation as a state machine: what came in, what is to be done. No socket, no Django, no clock of its own.

Its stream feeds it (`on_text`, `on_audio`, `on_events`, `on_disconnect`, …) and carries out the actions it returns, in
order. A session sends exactly one terminal message, `done` or `error`, and nothing after it. How audio comes in is in
`intake`, how results go out in `results`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from msgspec import UnsetType, structs

from inference import messages as link
from transcription.containers import sniff
from transcription.diagnosis import Diagnosis
from transcription.parsing import ProtocolError, parse
from transcription.protocol import (
    MAX_FRAME_BYTES,
    ClientMessage,
    Configure,
    ContainerEncoding,
    Done,
    End,
    Finalize,
    FinalResult,
    Gap,
    ModelChanged,
    Ping,
    Pong,
    Ready,
    Resume,
    Resumed,
    SessionError,
    SessionWarning,
    Start,
)
from transcription.session.account import Account
from transcription.session.actions import (
    Action,
    CancelRecognition,
    Close,
    DiscardAudio,
    EndRecognition,
    FinalizeRecognition,
    RecordCheckpoint,
    RecordEnd,
    RecordStart,
    Send,
)
from transcription.session.arrival import DECODED, WINDOW_MS, Arrival
from transcription.session.closing import CLOSE_DRAINING, CRASHED, departure, done_message, failure, farewell
from transcription.session.intake import OFFSET, AudioFormat, PlainIntake, ReliableIntake
from transcription.session.options import (
    container_of,
    raw_format_of,
)
from transcription.session.results import Results
from transcription.session.terms import Terms

CHECKPOINT_EVERY_SAMPLES: Final = 10 * 16_000
"""A client keeps 30 s of audio; what another process asks it for must be among them."""
MAX_BAD_MESSAGES: Final = 20


class Phase(Enum):
    """WAITING: nothing came yet. OPENING: recognition was asked for. LIVE: ready. ENDING: no more audio. OVER: said all."""

    WAITING = auto()
    OPENING = auto()
    LIVE = auto()
    ENDING = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Restored:
    """A reliable session as another process left it: its start, how far it is settled, and its last finals and gaps."""

    start: Start
    model: str
    checkpoint: link.Checkpoint
    finals: tuple[FinalResult, ...]
    gaps: tuple[Gap, ...]
    done: Done | None = None


@dataclass(slots=True)
class StreamSession:
    """Args:
    session_id: as stored. terms: what its client asks for and may have. clock: monotonic seconds.
    resume_token: the secret for coming back; resume_s: for how long.
    """

    session_id: str
    terms: Terms
    clock: Callable[[], float]
    resume_token: str = ""
    resume_s: int = 0
    phase: Phase = Phase.WAITING
    results: Results = field(init=False)
    arrival: Arrival = field(init=False)
    _diagnosis: Diagnosis | None = None
    _farewell: list[Send | Close] = field(default_factory=list)
    _held: list[Configure] = field(default_factory=list)
    _num_bad_messages: int = 0
    _is_draining: bool = False
    _is_given_up: bool = False
    _recorded_samples: int = 0
    _num_finalizes: int = 0

    def __post_init__(self) -> None:
        self.results = Results(self.clock)
        self.arrival = Arrival(PlainIntake(AudioFormat()), self.clock, self._on_gap)

    @property
    def start(self) -> Start:
        """What its client asks for, changes included."""
        return self.terms.start

    @property
    def model(self) -> str:
        """That serves it now; empty before recognition is open."""
        return self.terms.model

    @property
    def language(self) -> str:
        return self.terms.language

    @property
    def checkpoint(self) -> link.Checkpoint:
        """How far recognition has come for good."""
        return self.arrival.settled

    @property
    def is_reliable(self) -> bool:
        return isinstance(self.arrival.intake, ReliableIntake)

    @property
    def is_shared(self) -> bool:
        """Whether other processes may have a part in the session, so that who writes it must be settled."""
        return self.is_reliable and self.resume_s > 0 and bool(self.model)

    @property
    def can_resume(self) -> bool:
        """Whether its client may come back over another socket. Once the server has ended a session, what that client still
        has belongs into a new one.
        """
        return self.is_shared and not self._is_given_up and self.phase in {Phase.LIVE, Phase.ENDING, Phase.OVER}

    @property
    def received_ms(self) -> int:
        """Audio that has come up to now."""
        return self._account().received_ms

    # From the client

    def on_text(self, text: str) -> list[Action]:
        """A text message came."""
        if self.phase is Phase.OVER or (self.phase is Phase.ENDING and not self._awaits_tail()):
            return []
        try:
            parsed = parse(text)
        except ProtocolError as err:
            return self._refuse(err)
        warnings = [self._warning("unknown_option", sentence) for sentence in parsed.unknown]
        return [*warnings, *self._on_message(parsed.message)]

    def _on_message(self, message: ClientMessage) -> list[Action]:
        if isinstance(message, Ping):
            return [Send(Pong(id=message.id))]
        if self.phase is Phase.ENDING:
            return []
        handlers: dict[type[ClientMessage], Callable[[Any], list[Action]]] = {
            Start: self._on_start,
            Resume: self._on_late_resume,
            Configure: self._on_configure,
            Finalize: lambda _message: self._on_finalize(),
            End: self._on_end,
        }
        return handlers[type(message)](message)

    def pass_on(self, payload: bytes, now_s: float) -> bytes | None:
        """The short way for a binary frame, which nearly all can go: the samples to be sent on, which are counted then.

        None: nothing has happened, and `on_audio` is to be asked.
        """
        if self.phase is not Phase.LIVE or self._diagnosis is not None or not 0 < len(payload) <= MAX_FRAME_BYTES:
            return None
        return self.arrival.pass_on(payload, now_s)

    def on_audio(self, payload: bytes) -> list[Action]:
        """A binary frame came."""
        if self.phase is Phase.OVER or not payload or (self.phase is Phase.ENDING and not self._awaits_tail()):
            return []
        if len(payload) > MAX_FRAME_BYTES:
            return self._fail(
                "frame_too_large",
                f"A frame of {len(payload)} bytes came; at most {MAX_FRAME_BYTES} are allowed. Send smaller frames.",
            )
        self.results.latency.heard_audio(self.clock())
        opened = [] if self.arrival.has_begun else self._first_audio(payload[OFFSET.size :] if self.is_reliable else payload)
        return [*opened, *self._look_and_take(payload)]

    def _look_and_take(self, payload: bytes) -> list[Action]:
        """See whether the first seconds are what the client says they are, and hand them on."""
        samples = payload[OFFSET.size :] if self.is_reliable and self._diagnosis else payload
        finding = self._diagnosis.look(samples) if self._diagnosis and self.phase is not Phase.OVER else None
        if self._diagnosis and self._diagnosis.is_off:
            self._diagnosis = None
        if finding is None:
            return self._take(lambda: self.arrival.take(payload))
        if finding.is_fatal:
            return self._fail(finding.code, finding.message)
        audio = payload if self.is_reliable else payload[finding.skip_bytes :]
        return [self._warning(finding.code, finding.message), *self._take(lambda: self.arrival.take(audio))]

    def _take(self, step: Callable[[], list[Action]]) -> list[Action]:
        """Let the arrival take something from the client, and see whether that was the last of it."""
        if self.phase is Phase.OVER:
            return []
        try:
            actions = step()
        except ProtocolError as err:
            return self._fail(err.code, err.message)
        return [*actions, *self._ack_if_due(), *self._ended_if_whole()]

    def on_decoded(self, pcm: bytes) -> list[Action]:
        """What the decoder made of a container: 16-bit mono at 16 kHz, whole samples."""
        if self.phase is Phase.OVER or not pcm:
            return []
        return self.arrival.take_decoded(pcm)

    def on_decoded_end(self) -> list[Action]:
        """The decoder has given all."""
        return [] if self.phase is Phase.OVER else [EndRecognition()]

    def on_undecodable(self, code: str, message: str) -> list[Action]:
        """The container is damaged, or is none."""
        return self._fail(code, message)

    def on_tick(self) -> list[Action]:
        """`next_tick_s` has come: ask again for what is missing, or give it up."""
        return self._take(self.arrival.tick)

    @property
    def next_tick_s(self) -> float | None:
        """When `on_tick` wants to be called, on the clock."""
        return None if self.phase is Phase.OVER else self.arrival.next_tick_s

    def on_disconnect(self) -> list[Action]:
        """The client is gone for good: what it said is recognised and stored all the same."""
        if self.phase is Phase.WAITING:
            self.phase = Phase.OVER
            return []
        if self._awaits_tail() or self.phase in {Phase.OPENING, Phase.LIVE}:
            self._is_given_up = True
            return self._end_now()
        return []

    def on_resume(self, resume: Resume) -> list[Action]:
        """Its client is back over a new socket and goes on where it was."""
        lost: list[Action] = []
        if self.phase is Phase.LIVE or self._awaits_tail():
            try:
                lost = self.arrival.come_back(resume.oldest or 0)
            except ProtocolError as err:
                return self._fail(err.code, err.message)
        told: list[Action] = [Send(message) for message in self.results.missed_since(resume.next_segment)]
        return [*_without_sends(lost), Send(self._resumed()), *told, *self._farewell, *self._ended_if_whole()]

    def on_silence_of_client(self) -> list[Action]:
        """Its client has been away for as long as it keeps audio: what was said so far becomes final."""
        return [FinalizeRecognition()] if self.phase is Phase.LIVE else []

    def on_idle(self, timeout_s: int) -> list[Action]:
        """Nothing came for `timeout_s`."""
        return self._fail("idle_timeout", f"Nothing came for {timeout_s} seconds. Send audio or a ping to keep a session open.")

    def on_too_long(self, limit_s: int) -> list[Action]:
        """The session has lasted as long as one may."""
        return self._fail("session_too_long", f"The session has lasted {limit_s} seconds, the longest allowed. Start a new one.")

    def on_refusal(self, code: str, message: str, *, is_retryable: bool = False) -> list[Action]:
        """The server takes no more from this client: a limit, or access that was taken away."""
        return self._fail(code, message, is_retryable=is_retryable)

    def on_crash(self) -> list[Action]:
        """The server itself failed to handle this session."""
        return self._fail(CRASHED.code, CRASHED.message)

    def on_drain(self) -> list[Action]:
        """This process stops. A session that can go on elsewhere is put down as it is; any other is brought to its end."""
        match self.phase:
            case Phase.OVER:
                return []
            case Phase.WAITING:
                self.phase = Phase.OVER
                return [self._going_away(), CLOSE_DRAINING]
            case Phase.OPENING:
                sentence = "The server is being stopped. Connect again in a moment."
                return self._fail("server_draining", sentence, is_retryable=True, retry_after_s=1)
            case _ if self.can_resume:
                self.phase = Phase.OVER
                return [self._record_checkpoint(), CancelRecognition(), self._going_away(), CLOSE_DRAINING]
            case _:
                self._is_draining = True
                return [self._going_away(), *self.on_disconnect()]

    # From recognition

    def on_events(self, events: Sequence[link.AnyStreamEvent]) -> list[Action]:
        """Events of recognition, in order."""
        return [action for event in events for action in self._on_event(event)]

    def _on_event(self, event: link.AnyStreamEvent) -> list[Action]:
        if self.phase is Phase.OVER:
            return []
        handlers: dict[type[link.StreamEvent], Callable[[Any], list[Action]]] = {
            link.StreamOpened: self._on_opened,
            link.ModelChanged: lambda event: self._on_model(event.model, event.from_segment),
            link.SpeechStarted: self.results.speech_started,
            link.SpeechEnded: self.results.speech_ended,
            link.TranscriptUpdated: self.results.updated,
            link.TranscriptFinal: self._on_final,
            link.StreamProgress: self._on_progress,
            link.StreamDone: self._on_done,
            link.StreamFailed: self._on_failed,
        }
        return handlers[type(event)](event)

    def on_routes(self) -> list[Action]:
        """The routes, or the models that are loaded, may have changed: go over to the model that serves it now."""
        if self.phase not in {Phase.LIVE, Phase.ENDING} or not self.model:
            return []
        change = self.terms.reroute()
        return [] if change is None else [change]

    def on_stored(self, checkpoint: link.Checkpoint) -> None:
        """The database has it: no process will ask the client for anything before it."""
        self.arrival.stored = checkpoint

    # Client messages

    def _on_start(self, start: Start) -> list[Action]:
        if self.phase is not Phase.WAITING:
            return self._on_late_start(start)
        if (refusal := self.terms.refusal(start)) is not None:
            return self._fail(*refusal)
        self.terms.agree(start)
        self.results.wants_words = start.words
        return self._open(container_of(start))

    def _on_late_resume(self, _resume: Resume) -> list[Action]:
        return self._bad_message("resume_not_first", "resume came in a running session; it is the first message of a socket.")

    def _on_late_start(self, start: Start) -> list[Action]:
        """Audio came first and was taken as the defaults say; a start that says otherwise means that it was misread."""
        taken = self.arrival.container or self.arrival.format
        if (refusal := self.terms.late_refusal(start, taken, is_reliable=self.is_reliable)) is not None:
            return self._fail(*refusal)
        warning = self._warning(
            "late_start",
            "start came after the session was open; its language, scenario and timing count from the next segment"
            + ("; denoise is fixed by then and stays off" if start.denoise else "")
            + ("; the model is not chosen by it any more." if start.model else "."),
        )
        return [*self._discarded(start), warning, *self._on_configure(self.terms.agree_late(start))]

    def _discarded(self, start: Start) -> list[Action]:
        """A late start that wants no audio stored is heeded all the same."""
        if start.store_audio is not False or not self.terms.stores_audio:
            return []
        self.terms.store_no_more()
        return [DiscardAudio()]

    def _on_configure(self, change: Configure) -> list[Action]:
        if self.phase is Phase.WAITING:
            return self._bad_message("configure_before_start", "configure came before start; send these options in start.")
        if self.phase is Phase.OPENING:
            if len(self._held) >= MAX_BAD_MESSAGES:
                return self._bad_message(
                    "configure_before_start", "Too many configure messages came before ready; send one after it."
                )
            self._held.append(change)  # what the model knows is not known yet
            return []
        recognition_change, complaints = self.terms.change(change)
        if not isinstance(change.words, UnsetType):
            self.results.wants_words = change.words
        warnings = [self._warning(*complaint) for complaint in complaints]
        return [*warnings, recognition_change, *([self._record_checkpoint()] if self.is_shared else [])]

    def _opened(self) -> list[Action]:
        """A client that sends only audio has started with the defaults."""
        return self._on_start(Start()) if self.phase is Phase.WAITING else []

    def _on_finalize(self) -> list[Action]:
        opened = self._opened()
        self._num_finalizes += 1
        return [*opened, FinalizeRecognition()]

    def _open(self, container: ContainerEncoding | None) -> list[Action]:
        self.phase = Phase.OPENING
        self.results.keeps = self.start.reliable
        audio_format = raw_format_of(self.start) if container is None else DECODED
        intake = ReliableIntake(audio_format) if self.start.reliable else PlainIntake(audio_format)
        self.arrival = Arrival(intake, self.clock, self._on_gap, container, settled=self.checkpoint)
        self._diagnosis = None if container is not None else _diagnosis_of(audio_format, self.clock)
        return [self.terms.opening(audio_format, self.checkpoint)]

    def restore(self, restored: Restored) -> list[Action]:
        """Go on with a session that another process began. `on_resume` follows."""
        self.terms.agree_again(restored.start, restored.model)
        self._recorded_samples = restored.checkpoint.settled_samples
        audio_format = raw_format_of(restored.start)
        intake = ReliableIntake(audio_format, audio_format.frames_at(restored.checkpoint.settled_samples))
        self.arrival = Arrival(intake, self.clock, self._on_gap, has_begun=True)
        self.arrival.settled = self.arrival.stored = restored.checkpoint
        self.results.wants_words = restored.start.words
        self.results.keeps = True
        settled_ms = audio_format.ms_at(intake.num_frames)
        self.results.restore(restored.finals, _before(settled_ms, restored.gaps), restored.checkpoint.next_segment)
        if restored.done is not None:
            self.phase = Phase.OVER
            self._farewell = farewell(restored.done)
            return []
        self.phase = Phase.LIVE
        return [self.terms.reopening(audio_format, restored.checkpoint)]

    # Audio

    def _first_audio(self, payload: bytes) -> list[Action]:
        """See what it is before anything is made of it."""
        kind = sniff(payload)
        is_for_diagnosis = kind == "wav" and self.start.encoding is not None  # it may be a header in front of what was announced
        if kind is None or self.arrival.container is not None or is_for_diagnosis:
            return self._opened()
        warning = self._warning("container_detected", f"The audio begins like a {kind} file and is decoded as one.")
        if self.phase is Phase.WAITING:
            return [warning, *self._on_start(Start(encoding=kind))]
        if self.start.encoding is None and not self.is_reliable:
            return [warning, *self._open_anew(kind)]
        return self._fail(
            "unsupported_encoding",
            f"The audio begins like a {kind} file; expected bare {self.start.encoding} samples. Say {kind}, or nothing.",
        )

    def _open_anew(self, kind: ContainerEncoding) -> list[Action]:
        """Recognition was opened for bare samples, and none has gone there yet: all its finals answer a `finalize`."""
        num_unanswered = self._num_finalizes - self.results.num_finals
        phase, actions = self.phase, self._open(kind)
        self.phase = phase
        return [CancelRecognition(), *actions, *[FinalizeRecognition()] * num_unanswered]

    def _ack_if_due(self) -> list[Action]:
        return self.arrival.ack_if_due() if self.model and self.phase in {Phase.LIVE, Phase.ENDING} else []

    def _on_gap(self, gap: Gap) -> list[Action]:
        """Stored before it is told, and before anything that is settled behind it."""
        told = self.results.gap(gap)
        return [*([self._record_checkpoint()] if self.is_shared else []), *told]

    # Recognition events

    def _on_opened(self, event: link.StreamOpened) -> list[Action]:
        if self.phase is not Phase.OPENING and self.model:
            # Opened again after the inference process was lost. The client need not know, unless another model goes on.
            return self._on_model(event.model, self.checkpoint.next_segment)
        self.terms.opened(event)
        if self.phase is Phase.OPENING:
            self.phase = Phase.LIVE
        ready = Ready(
            session=self.session_id,
            resume_token=self.resume_token if self.is_reliable and self.resume_s else None,
            model=event.model,
            language=event.language,
            sample_rate=self.arrival.format.sample_rate_hz,
            window_ms=WINDOW_MS,
            store_audio=self.terms.stores_audio,
        )
        held = [action for change in self._held for action in self._on_configure(change)]
        record = RecordStart(event.model, event.language, dict(self.start.metadata), self.start if self.is_shared else None)
        missing = [self._warning(*complaint) for complaint in self.terms.missing(event)]
        return [record, Send(ready), *missing, *held, *self.on_routes()]

    def _on_model(self, model: str, from_segment: int) -> list[Action]:
        """Another one goes on, or the same."""
        if model == self.model:
            return []
        former, self.terms.model = self.model, model
        warnings = [self._warning(*complaint) for complaint in self.terms.without_effect(former=former)]
        return [Send(ModelChanged(model=model, from_segment=from_segment)), *warnings]

    def _on_final(self, event: link.TranscriptFinal) -> list[Action]:
        self.arrival.settled = event.checkpoint
        self._recorded_samples = event.checkpoint.settled_samples
        return self.results.final(event)

    def _on_progress(self, event: link.StreamProgress) -> list[Action]:
        self.arrival.settled = event.checkpoint
        actions = self.results.lag(event.behind_ms)
        if not self.is_reliable:
            return actions
        if self.is_shared and event.checkpoint.settled_samples - self._recorded_samples >= CHECKPOINT_EVERY_SAMPLES:
            actions.append(self._record_checkpoint())
        return [*actions, *self._ack_if_due()]

    def _on_done(self, event: link.StreamDone) -> list[Action]:
        self.arrival.settled = event.checkpoint
        return self._finish()

    def _on_failed(self, event: link.StreamFailed) -> list[Action]:
        return self._fail(event.code, event.message, is_retryable=event.retryable, retry_after_s=event.retry_after_s)

    # The end

    def _on_end(self, end: End) -> list[Action]:
        try:
            if end.samples is not None:
                self.arrival.expect(end.samples)
        except ProtocolError as err:
            return self._fail(err.code, err.message)
        if self.arrival.is_whole:
            return self._end_now()
        self.phase = Phase.ENDING
        return []

    def _awaits_tail(self) -> bool:
        """Whether the client has ended, but not all that it sent has come."""
        return self.phase is Phase.ENDING and not self.arrival.is_whole

    def _ended_if_whole(self) -> list[Action]:
        """What was missing of a stream that has ended has come now, or is given up."""
        return [EndRecognition()] if self.phase is Phase.ENDING and self.arrival.is_whole else []

    def _end_now(self) -> list[Action]:
        """No more audio is expected."""
        opened = self._opened()
        actions = self.arrival.finish()
        self.phase = Phase.ENDING
        return [*opened, *actions]

    def _account(self) -> Account:
        return Account.of(self.arrival.intake.num_frames, self.arrival.format, self.checkpoint)

    def _record_end(self, account: Account, status: str, error_code: str = "") -> RecordEnd:
        latency = self.results.latency.summary()
        return RecordEnd(status, error_code, account, tuple(self.results.gaps), latency, is_given_up=self._is_given_up)

    def _record_checkpoint(self) -> RecordCheckpoint:
        self._recorded_samples = self.checkpoint.settled_samples
        return RecordCheckpoint(self.checkpoint, tuple(self.results.gaps), self.start)

    def _finish(self) -> list[Action]:
        self.phase = Phase.OVER
        account = self._account()
        done = done_message(self.session_id, account, self.results.num_finals)
        record = self._record_end(account, "complete" if done.complete else "incomplete")
        self._farewell = farewell(done, is_draining=self._is_draining)
        return [record, *self._farewell]

    def _fail(self, code: str, message: str, *, is_retryable: bool = False, retry_after_s: int | None = None) -> list[Action]:
        """The one terminal error."""
        if self.phase is Phase.OVER:
            return []
        was_recognising = self.phase is not Phase.WAITING
        actions: list[Action] = [CancelRecognition()] if was_recognising else []
        if self.model:
            actions.append(self._record_end(self._account(), "failed", code))
        self.phase = Phase.OVER
        self._farewell = failure(SessionError(code=code, message=message, retryable=is_retryable, retry_after_s=retry_after_s))
        return [*actions, *self._farewell]

    def _refuse(self, err: ProtocolError) -> list[Action]:
        """What cannot be read ends a session that has not begun; one that runs goes on with a warning."""
        if self.phase is Phase.WAITING or err.code == "message_too_long":
            return self._fail(err.code, err.message)
        return self._bad_message(err.code, err.message)

    def _bad_message(self, code: str, message: str) -> list[Action]:
        self._num_bad_messages += 1
        if self._num_bad_messages > MAX_BAD_MESSAGES:
            return self._fail(
                "too_many_bad_messages", f"More than {MAX_BAD_MESSAGES} messages could not be used; the last: {message}"
            )
        return [self._warning(code, message)]

    def _warning(self, code: str, message: str) -> Send:
        return Send(SessionWarning(code=code, message=message))

    def _resumed(self) -> Resumed:
        return Resumed(
            session=self.session_id,
            offset=self.arrival.intake.num_frames,
            model=self.model,
            language=self.language,
            sample_rate=self.arrival.format.sample_rate_hz,
            window_ms=WINDOW_MS,
            credit_ms=self.arrival.credit_ms,
        )

    def _going_away(self) -> Send:
        return departure(self.resume_s if self.can_resume else None)


def _before(settled_ms: int, gaps: Iterable[Gap]) -> list[Gap]:
    """What lies behind is asked for once more, so it is not lost yet."""
    return [structs.replace(gap, to_ms=min(gap.to_ms, settled_ms)) for gap in gaps if gap.from_ms < settled_ms]


def _without_sends(actions: Iterable[Action]) -> list[Action]:
    """A gap that is noticed at a resume is told with the others that the client may have missed."""
    return [action for action in actions if not isinstance(action, Send)]


def _diagnosis_of(audio_format: AudioFormat, clock: Callable[[], float]) -> Diagnosis:
    return Diagnosis(audio_format.encoding, audio_format.sample_rate_hz, audio_format.num_channels, clock)
