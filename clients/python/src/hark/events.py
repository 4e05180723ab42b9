"""What a stream tells its reader. All times are milliseconds since the first sample that was sent."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `kind` is the name that the event has in JSON."""

    kind: ClassVar[str]

    def as_json(self) -> dict[str, Any]:
        """The event as JSON types, `type` first."""
        return {"type": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Event):
    """The session is open, and from now on stored by the server."""

    kind: ClassVar[str] = "ready"
    session: str
    model: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    kind: ClassVar[str] = "speech_started"
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(Event):
    kind: ClassVar[str] = "speech_ended"
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial(Event):
    """Text of the segment that is being spoken; each replaces the one before. `stable`: the leading part that stays, until the
    final. `model`: the one that wrote it; that of the final may be another. Empty from servers that do not say."""

    kind: ClassVar[str] = "partial"
    segment: int
    text: str
    stable: str
    start_ms: int
    end_ms: int
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Final(Event):
    """Text of a finished segment; it never changes. Segments count 0, 1, 2 … and come once each. `revised`: it does not begin
    with what was stable in its partials, so whoever has printed that must print it anew."""

    kind: ClassVar[str] = "final"
    segment: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    confidence: float
    model: str
    words: tuple[Word, ...] = ()
    from_finalize: bool = False
    revised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Audio that is missing for good."""

    kind: ClassVar[str] = "gap"
    from_ms: int
    to_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag(Event):
    """Recognition is this far behind the audio that came."""

    kind: ClassVar[str] = "lag"
    behind_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChanged(Event):
    """Another model writes from the segment `from_segment` on."""

    kind: ClassVar[str] = "model_changed"
    model: str
    from_segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning(Event):
    """Something was ignored or mended; the session goes on."""

    kind: ClassVar[str] = "warning"
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnecting(Event):
    """The connection is lost; the `attempt`-th try to get it back begins in `delay_s`. Nothing is lost yet."""

    kind: ClassVar[str] = "reconnecting"
    reason: str
    attempt: int
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The session goes on over a new connection, from `at_ms` of its audio on."""

    kind: ClassVar[str] = "resumed"
    away_s: float
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Event):
    """The server lost `old_session`; a new one goes on at `at_ms`. Numbers and times go on; `lost_ms` of audio is missing."""

    kind: ClassVar[str] = "restarted"
    session: str
    old_session: str
    at_ms: int
    lost_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Event):
    """The session is over: received_ms = transcribed_ms + silence_ms + gap_ms. `complete`: nothing is missing."""

    kind: ClassVar[str] = "done"
    session: str
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    num_segments: int
    complete: bool
