"""Messages of the native WebSocket protocol at /stream: their shapes, limits, codes, and JSON in both directions.

Pure data: nothing here knows Django, sockets or the database. docs/protocol.md describes the same messages in prose and
docs/protocol.schema.json is generated from these classes.
"""

from enum import IntEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_FRAME_BYTES = 1024 * 1024
MAX_TEXT_CHARS = 64 * 1024
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
HEARTBEAT_S = 30

Scalar = str | int | float | bool | None
ShortText = Annotated[str, Meta(max_length=256)]
LanguageTag = Annotated[str, Meta(min_length=2, max_length=16)]
EndpointMs = Annotated[int, Meta(ge=100, le=5_000)]
MaxSegmentS = Annotated[float, Meta(ge=3, le=29)]
Hotwords = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=100)]


class CloseCode(IntEnum):
    """WebSocket close codes, the whole list."""

    DONE = 1000
    DRAINING = 1001
    POLICY = 1008
    INTERNAL = 1011
    FULL = 1013
    BAD_REQUEST = 4400
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    UNKNOWN_SESSION = 4404
    IDLE = 4408


class ClientMessage(Struct, frozen=True, tag_field="type", kw_only=True):
    """Base of everything a client may send as text."""


class Start(ClientMessage, frozen=True, tag="start", kw_only=True):
    """Opens the session. Every field is optional; the defaults are those of a client that sends only audio.

    `language` is "auto", one tag, or the list of tags that may be detected. `endpoint_ms` is the silence that ends a
    segment.
    """

    encoding: Literal["pcm_s16le", "pcm_f32le"] = "pcm_s16le"
    sample_rate: Annotated[int, Meta(ge=MIN_SAMPLE_RATE_HZ, le=MAX_SAMPLE_RATE_HZ)] = 16_000
    channels: Annotated[int, Meta(ge=1, le=2)] = 1
    language: LanguageTag | Annotated[list[LanguageTag], Meta(min_length=1, max_length=100)] | None = None
    model: ShortText | None = None
    scenario: ShortText | None = None
    interim: bool = True
    reliable: bool = False
    hotwords: Hotwords = []
    endpoint_ms: EndpointMs = 500
    max_segment_s: MaxSegmentS = 15.0
    denoise: bool = False
    words: bool = True
    metadata: Annotated[dict[ShortText, Annotated[str, Meta(max_length=1024)] | int | float | bool | None], Meta(max_length=32)] = {}


class Configure(ClientMessage, frozen=True, tag="configure", kw_only=True):
    """Changes what is given, from the next segment on."""

    language: LanguageTag | Annotated[list[LanguageTag], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    hotwords: Hotwords | UnsetType = UNSET
    endpoint_ms: EndpointMs | UnsetType = UNSET
    max_segment_s: MaxSegmentS | UnsetType = UNSET
    interim: bool | UnsetType = UNSET
    words: bool | UnsetType = UNSET


class Finalize(ClientMessage, frozen=True, tag="finalize", kw_only=True):
    """What was said so far becomes final now."""


class Ping(ClientMessage, frozen=True, tag="ping", kw_only=True):
    """Answered by `pong`; browsers cannot send ping frames. `id` comes back unchanged."""

    id: ShortText | int | None = None


class End(ClientMessage, frozen=True, tag="end", kw_only=True):
    """No more audio: every final is sent, then `done`, then close 1000."""


class ServerMessage(Struct, frozen=True, tag_field="type", kw_only=True, omit_defaults=False):
    """Base of everything the server sends."""


class Ready(ServerMessage, frozen=True, tag="ready", kw_only=True):
    """The session is open. `window_ms`: how much audio may be under way ahead of recognition."""

    session: str
    resume_token: str | None
    model: str
    language: str
    sample_rate: int
    window_ms: int
    heartbeat_s: int = HEARTBEAT_S


class SpeechStarted(ServerMessage, frozen=True, tag="speech_started", kw_only=True):
    at_ms: int


class SpeechEnded(ServerMessage, frozen=True, tag="speech_ended", kw_only=True):
    at_ms: int


class Partial(ServerMessage, frozen=True, tag="partial", kw_only=True):
    """Text of the segment that is being spoken. `stable` is the leading part that later partials will not change."""

    segment: int
    text: str
    stable: str
    start_ms: int
    end_ms: int


class Word(Struct, frozen=True, kw_only=True):
    text: str
    start_ms: int
    end_ms: int
    confidence: float


class Final(ServerMessage, frozen=True, tag="final", kw_only=True):
    """Text of a finished segment; it never changes. `confidence` is 0 to 1."""

    segment: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    confidence: float
    model: str
    words: list[Word] = []
    from_finalize: bool = False


class Pong(ServerMessage, frozen=True, tag="pong", kw_only=True):
    id: str | int | None = None


class Lag(ServerMessage, frozen=True, tag="lag", kw_only=True):
    """Recognition is `behind_ms` behind the audio that came."""

    behind_ms: int


class Gap(ServerMessage, frozen=True, tag="gap", kw_only=True):
    """Audio that is missing for good."""

    from_ms: int
    to_ms: int
    reason: str


class SessionWarning(ServerMessage, frozen=True, tag="warning", kw_only=True):
    """Something came that was ignored or mended; the session goes on."""

    code: str
    message: str
    retryable: bool = False


class SessionError(ServerMessage, frozen=True, tag="error", kw_only=True):
    """The session is over. Terminal: nothing follows but the close."""

    code: str
    message: str
    retryable: bool


class Done(ServerMessage, frozen=True, tag="done", kw_only=True):
    """The session is over and accounted for: received_ms = transcribed_ms + silence_ms + gap_ms."""

    session: str
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    num_segments: int
    complete: bool


CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (Start, Configure, Finalize, Ping, End)
SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    Ready, SpeechStarted, SpeechEnded, Partial, Final, Pong, Lag, Gap, SessionWarning, SessionError, Done,
)  # fmt: skip
