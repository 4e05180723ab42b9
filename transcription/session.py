"""One stream's conversation as a state machine: what came in, what is to be done. No socket, no Django, no clock of its own.

The consumer feeds it (`on_text`, `on_audio`, `on_events`, `on_disconnect`, `on_idle`) and carries out the actions it
returns, in order. A session sends exactly one terminal message, `done` or `error`, and nothing after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from msgspec import UNSET, UnsetType

from inference import messages as link
from inference.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, to_ms
from transcription.actions import (
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
from transcription.latency import Latency
from transcription.protocol import (
    MAX_FRAME_BYTES,
    ClientMessage,
    CloseCode,
    Configure,
    Done,
    Finalize,
    FinalResult,
    Lag,
    PartialResult,
    Ping,
    Pong,
    ProtocolError,
    Ready,
    SessionError,
    SessionWarning,
    SpeechEnded,
    SpeechStarted,
    Start,
    Word,
    parse,
)

WINDOW_MS: Final = 60_000
LAG_MS: Final = 3_000
LAG_EVERY_S: Final = 5.0
MAX_BAD_MESSAGES: Final = 20
ROUNDING_SAMPLES: Final = 32
"""A resampler's output may differ from the exact length by a sample or two each time it is started."""

CONTAINER_SIGNATURES: Final = {
    b"RIFF": "a WAV file",
    b"OggS": "an Ogg file",
    b"fLaC": "a FLAC file",
    b"\x1aE\xdf\xa3": "a WebM file",
    b"ID3": "an MP3 file",
}
TRADITIONAL_CHINESE: Final = frozenset({"hant", "tw", "hk", "mo"})
CLOSE_CODES: Final = {
    "inference_unavailable": CloseCode.FULL,
    "server_full": CloseCode.FULL,
    "recognition_failed": CloseCode.INTERNAL,
    "internal": CloseCode.INTERNAL,
    "frame_too_large": CloseCode.POLICY,
    "message_too_long": CloseCode.POLICY,
    "too_many_bad_messages": CloseCode.POLICY,
    "idle_timeout": CloseCode.IDLE,
}


class Phase(Enum):
    """WAITING: nothing came yet. OPENING: recognition was asked for. LIVE: ready. ENDING: no more audio. OVER: said all."""

    WAITING = auto()
    OPENING = auto()
    LIVE = auto()
    ENDING = auto()
    OVER = auto()


@dataclass(slots=True)
class StreamSession:
    """Args:
    session_id: as stored. default_language: for a client that names none. clock: monotonic seconds.
    models: those loaded now, asked again at each use.
    """

    session_id: str
    default_language: str
    clock: Callable[[], float]
    models: Callable[[], Sequence[link.ModelInfo]]
    phase: Phase = Phase.WAITING
    start: Start = field(default_factory=Start)
    languages: tuple[str, ...] = ()
    model: str = ""
    checkpoint: link.Checkpoint = link.Checkpoint()
    num_frames: int = 0
    num_finals: int = 0
    latency: Latency = field(default_factory=Latency)
    _remainder: bytes = b""
    _has_warned_of_odd_bytes: bool = False
    _held: list[Configure] = field(default_factory=list)
    _num_bad_messages: int = 0
    _last_speech_ms: int = -1
    _last_speech_end_ms: int = -1
    _wants_words: bool = True
    _lag_at_s: float = float("-inf")

    # From the client

    def on_text(self, text: str) -> list[Action]:
        """A text message came."""
        if self.phase in {Phase.ENDING, Phase.OVER}:
            return []
        try:
            parsed = parse(text)
        except ProtocolError as err:
            return self._refuse(err)
        warnings = [self._warning("unknown_option", sentence) for sentence in parsed.unknown]
        return [*warnings, *self._on_message(parsed.message)]

    def _on_message(self, message: ClientMessage) -> list[Action]:
        match message:
            case Start():
                return self._on_start(message)
            case Configure():
                return self._on_configure(message)
            case Finalize():
                return [*self._opened(), FinalizeRecognition()]
            case Ping():
                return [Send(Pong(id=message.id))]
            case _:
                return self._on_end()

    def on_audio(self, payload: bytes) -> list[Action]:
        """A binary frame came."""
        if self.phase in {Phase.ENDING, Phase.OVER} or not payload:
            return []
        if len(payload) > MAX_FRAME_BYTES:
            return self._fail(
                "frame_too_large",
                f"A frame of {len(payload)} bytes came; at most {MAX_FRAME_BYTES} are allowed. Send smaller frames.",
            )
        actions = self._opened()
        if self.num_frames == 0 and (name := _container(payload)) is not None:
            return actions + self._fail(
                "unsupported_encoding",
                f"The audio begins like {name}; expected bare {self.start.encoding} samples. Decode it and send those.",
            )
        self.latency.heard_audio(self.clock())
        return actions + self._take_samples(payload)

    def on_disconnect(self) -> list[Action]:
        """The client is gone: what it said is recognised and stored all the same."""
        if self.phase is Phase.WAITING:
            self.phase = Phase.OVER
            return []
        return self._on_end() if self.phase in {Phase.OPENING, Phase.LIVE} else []

    def on_idle(self, timeout_s: int) -> list[Action]:
        """Nothing came for `timeout_s`."""
        return self._fail("idle_timeout", f"Nothing came for {timeout_s} seconds. Send audio or a ping to keep a session open.")

    def on_crash(self) -> list[Action]:
        """The server itself failed to handle this session."""
        return self._fail("internal", "The server failed to handle this session. The text so far is kept; please reconnect.")

    # From recognition

    def on_events(self, events: Sequence[link.AnyStreamEvent]) -> list[Action]:
        """Events of recognition, in order."""
        return [action for event in events for action in self._on_event(event)]

    def _on_event(self, event: link.AnyStreamEvent) -> list[Action]:
        if self.phase is Phase.OVER:
            return []
        handlers: dict[type[link.StreamEvent], Callable[[Any], list[Action]]] = {
            link.StreamOpened: self._on_opened,
            link.SpeechStarted: self._on_speech_started,
            link.SpeechEnded: self._on_speech_ended,
            link.TranscriptUpdated: self._on_updated,
            link.TranscriptFinal: self._on_final,
            link.StreamProgress: self._on_progress,
            link.StreamDone: self._on_done,
            link.StreamFailed: self._on_failed,
        }
        return handlers[type(event)](event)

    # Client messages

    def _on_start(self, start: Start) -> list[Action]:
        if self.phase is not Phase.WAITING:
            return self._on_late_start(start)
        if start.reliable:
            return self._fail(
                "unsupported_option", "reliable is true; this server offers plain mode only. Send start without it."
            )
        if start.scenario not in {None, "general"}:
            return self._fail("unsupported_option", f"scenario is {start.scenario!r}; this server knows only general.")
        self.start = start
        self._wants_words = start.words
        self.languages = self._language_tags(start.language)
        return self._open()

    def _on_late_start(self, start: Start) -> list[Action]:
        """Audio came first and was taken as the defaults say; a start that says otherwise means that it was misread."""
        if (start.encoding, start.sample_rate, start.channels) != (
            self.start.encoding,
            self.start.sample_rate,
            self.start.channels,
        ):
            came = f"{start.encoding} at {start.sample_rate} Hz with {start.channels} channel(s)"
            taken = f"{self.start.encoding} at {self.start.sample_rate} Hz with {self.start.channels} channel(s)"
            return self._fail(
                "start_after_audio", f"start says {came}, but audio came before it and was taken as {taken}. Send start first."
            )
        warning = self._warning(
            "late_start",
            "start came after the session was open; its language and timing count from the next segment"
            + ("; denoise is fixed by then and stays off." if start.denoise else "."),
        )
        change = Configure(
            language=self.default_language if start.language is None else start.language,
            endpoint_ms=start.endpoint_ms,
            max_segment_s=start.max_segment_s,
            interim=start.interim,
            words=start.words,
            hotwords=start.hotwords,
        )
        return [warning, *self._on_configure(change)]

    def _on_configure(self, change: Configure) -> list[Action]:
        if self.phase is Phase.WAITING:
            return self._bad_message("configure_before_start", "configure came before start; send these options in start.")
        if self.phase is Phase.OPENING:
            self._held.append(change)  # what the model knows is not known yet
            return []
        languages: tuple[str, ...] | UnsetType = UNSET
        warnings: list[Action] = []
        if not isinstance(change.language, UnsetType):
            languages = self._language_tags(change.language)
            if (complaint := self._language_complaint(languages)) is not None:
                warnings.append(self._warning("unsupported_language", complaint))
                languages = UNSET
        if not isinstance(change.words, UnsetType):
            self._wants_words = change.words
        seconds = change.max_segment_s
        return [
            *warnings,
            ConfigureRecognition(
                languages=languages,
                hotwords=UNSET if isinstance(change.hotwords, UnsetType) else tuple(change.hotwords),
                endpoint_ms=change.endpoint_ms,
                max_segment_ms=UNSET if isinstance(seconds, UnsetType) else round(seconds * 1000),
                interim=change.interim,
            ),
        ]

    def _language_tags(self, language: str | list[str] | None) -> tuple[str, ...]:
        """Primary tags; empty for "auto"."""
        given = self.default_language if language is None else language
        tags = [given] if isinstance(given, str) else given
        return () if "auto" in tags else tuple(dict.fromkeys(map(language_tag, tags)))

    def _language_complaint(self, languages: tuple[str, ...]) -> str | None:
        """Why the session's model cannot hear `languages`, or None."""
        info = next((info for info in self.models() if info.name == self.model), None)
        if info is None:
            return None
        if not languages and not info.multilingual:
            return f"language is auto, but {info.name} cannot detect languages. The language stays as it was."
        missing = sorted(set(languages) - set(info.languages)) if info.languages else []
        if missing:
            return f"language is {', '.join(missing)}, which {info.name} does not know. The language stays as it was."
        return None

    def _opened(self) -> list[Action]:
        """A client that sends only audio has started with the defaults."""
        return self._on_start(Start()) if self.phase is Phase.WAITING else []

    def _open(self) -> list[Action]:
        self.phase = Phase.OPENING
        return [
            OpenRecognition(
                link.StreamOptions(
                    encoding=self.start.encoding,
                    sample_rate_hz=self.start.sample_rate,
                    num_channels=self.start.channels,
                    languages=self.languages,
                    hotwords=tuple(self.start.hotwords),
                    model=self.start.model,
                    interim=self.start.interim,
                    endpoint_ms=self.start.endpoint_ms,
                    max_segment_ms=round(self.start.max_segment_s * 1000),
                    denoise=self.start.denoise,
                )
            )
        ]

    def _on_end(self) -> list[Action]:
        actions = self._opened()
        if self._remainder:
            actions.append(
                self._warning(
                    "incomplete_sample", f"{len(self._remainder)} bytes at the end are no whole sample and were dropped."
                )
            )
        self.phase = Phase.ENDING
        return [*actions, EndRecognition()]

    # Audio

    @property
    def _frame_bytes(self) -> int:
        return SAMPLE_BYTES[self.start.encoding] * self.start.channels

    def _take_samples(self, payload: bytes) -> list[Action]:
        """Hand on whole frames; keep the bytes of a frame that was cut for the next message."""
        joined = self._remainder + payload if self._remainder else payload
        surplus = len(joined) % self._frame_bytes
        whole, self._remainder = (joined[:-surplus], joined[-surplus:]) if surplus else (joined, b"")
        self.num_frames += len(whole) // self._frame_bytes
        actions: list[Action] = []
        if surplus and not self._has_warned_of_odd_bytes:
            self._has_warned_of_odd_bytes = True
            actions.append(
                self._warning(
                    "odd_byte_count",
                    f"A frame of {len(payload)} bytes is no whole number of samples; its rest is joined with the next frame.",
                )
            )
        return [*actions, SendAudio(whole)] if whole else actions

    # Recognition events

    def _on_opened(self, event: link.StreamOpened) -> list[Action]:
        if self.phase is not Phase.OPENING and self.model:
            return []  # opened again after the inference process was lost: the client need not know
        self.model = event.model
        if self.phase is Phase.OPENING:
            self.phase = Phase.LIVE
        ready = Ready(
            session=self.session_id,
            resume_token=None,
            model=event.model,
            language=event.language,
            sample_rate=self.start.sample_rate,
            window_ms=WINDOW_MS,
        )
        held = [action for change in self._held for action in self._on_configure(change)]
        return [
            RecordStart(event.model, event.language, dict(self.start.metadata)),
            Send(ready),
            *self._missing(event),
            *held,
        ]

    def _missing(self, event: link.StreamOpened) -> list[Action]:
        """What the client asked for and recognition cannot do on its machine."""
        if not self.start.denoise or event.denoise:
            return []
        return [
            self._warning(
                "option_not_available", "denoise is true, but this server has no RNNoise; the audio is heard as it comes."
            )
        ]

    def _on_speech_started(self, event: link.SpeechStarted) -> list[Action]:
        """A replay after a lost inference process tells again what was told."""
        if event.at_ms <= self._last_speech_ms:
            return []
        self._last_speech_ms = event.at_ms
        return [Send(SpeechStarted(at_ms=event.at_ms))]

    def _on_speech_ended(self, event: link.SpeechEnded) -> list[Action]:
        if event.at_ms <= self._last_speech_end_ms:
            return []
        self._last_speech_end_ms = event.at_ms
        return [Send(SpeechEnded(at_ms=event.at_ms))]

    def _on_updated(self, event: link.TranscriptUpdated) -> list[Action]:
        self.latency.sent_text(self.clock(), event.start_ms)
        return [
            Send(
                PartialResult(
                    segment=event.segment, text=event.text, stable=event.stable, start_ms=event.start_ms, end_ms=event.end_ms
                )
            )
        ]

    def _on_final(self, event: link.TranscriptFinal) -> list[Action]:
        self.latency.sent_text(self.clock(), event.start_ms)
        self.latency.sent_final(event.timings.queue_ms, event.timings.infer_ms)
        self.num_finals += 1
        words = [
            Word(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence) for word in event.words
        ]
        final = FinalResult(
            segment=event.segment,
            text=event.text,
            start_ms=event.start_ms,
            end_ms=event.end_ms,
            language=event.language,
            confidence=event.confidence,
            model=event.model,
            words=words,
            from_finalize=event.from_finalize,
        )
        return [RecordFinal(final), Send(final if self._wants_words else _without_words(final))]

    def _on_progress(self, event: link.StreamProgress) -> list[Action]:
        self.checkpoint = event.checkpoint
        if event.behind_ms < LAG_MS or self.clock() - self._lag_at_s < LAG_EVERY_S:
            return []
        self._lag_at_s = self.clock()
        return [Send(Lag(behind_ms=event.behind_ms))]

    def _on_done(self, event: link.StreamDone) -> list[Action]:
        self.checkpoint = event.checkpoint
        return self._finish()

    def _on_failed(self, event: link.StreamFailed) -> list[Action]:
        return self._fail(event.code, event.message, is_retryable=event.retryable)

    # The end

    def _account(self) -> tuple[int, int, int, int]:
        """received, transcribed, silence and gap in milliseconds; the first is the sum of the others."""
        received_samples = self.num_frames * SAMPLE_RATE_HZ // self.start.sample_rate
        missing_samples = received_samples - self.checkpoint.settled_samples
        gap_ms = to_ms(missing_samples) if missing_samples > ROUNDING_SAMPLES else 0
        received_ms = to_ms(received_samples)
        transcribed_ms = min(to_ms(self.checkpoint.transcribed_samples), received_ms - gap_ms)
        return received_ms, transcribed_ms, received_ms - transcribed_ms - gap_ms, gap_ms

    def _record_end(self, status: str, error_code: str = "") -> RecordEnd:
        received_ms, transcribed_ms, silence_ms, gap_ms = self._account()
        return RecordEnd(status, error_code, received_ms, transcribed_ms, silence_ms, gap_ms, self.latency.summary())

    def _finish(self) -> list[Action]:
        self.phase = Phase.OVER
        received_ms, transcribed_ms, silence_ms, gap_ms = self._account()
        done = Done(
            session=self.session_id,
            received_ms=received_ms,
            transcribed_ms=transcribed_ms,
            silence_ms=silence_ms,
            gap_ms=gap_ms,
            num_segments=self.num_finals,
            complete=gap_ms == 0,
        )
        record = self._record_end("complete" if done.complete else "incomplete")
        return [record, Send(done), Close(CloseCode.DONE, "done")]

    def _fail(self, code: str, message: str, *, is_retryable: bool = False) -> list[Action]:
        """The one terminal error."""
        if self.phase is Phase.OVER:
            return []
        was_recognising = self.phase is not Phase.WAITING
        actions: list[Action] = [CancelRecognition()] if was_recognising else []
        if self.model:
            actions.append(self._record_end("failed", code))
        self.phase = Phase.OVER
        error = SessionError(code=code, message=message, retryable=is_retryable)
        return [*actions, Send(error), Close(CLOSE_CODES.get(code, CloseCode.BAD_REQUEST), code)]

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


def language_tag(tag: str) -> str:
    """The tag by which models know a language: the primary one, and `zh-hant` for traditional characters."""
    primary, *others = tag.replace("_", "-").lower().split("-")
    return "zh-hant" if primary == "zh" and TRADITIONAL_CHINESE & set(others) else primary


def _container(payload: bytes) -> str | None:
    """The name of the file format that `payload` begins like, or None."""
    return next((name for signature, name in CONTAINER_SIGNATURES.items() if payload.startswith(signature)), None)


def _without_words(final: FinalResult) -> FinalResult:
    return FinalResult(**{name: getattr(final, name) for name in final.__struct_fields__ if name != "words"})
