"""Messages of the native WebSocket protocol at /stream: their shapes, limits and codes, and how they are written as JSON.

Pure data: nothing here knows Django, sockets or the database. docs/protocol.md describes the same messages in prose and
docs/protocol.schema.json is generated from these classes. Reading a client's text is in `transcription.parsing`.
"""

from enum import IntEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_FRAME_BYTES = 1024 * 1024
MAX_TEXT_CHARS = 64 * 1024
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
HEARTBEAT_S = 30

MAX_OFFSET = 2**53 - 1  # a whole number that JavaScript can hold; at 48 kHz that is six thousand years
ShortText = Annotated[str, Meta(max_length=256)]
LanguageTag = Annotated[str, Meta(min_length=2, max_length=16)]
EndpointMs = Annotated[int, Meta(ge=100, le=5_000)]
MaxSegmentS = Annotated[float, Meta(ge=3, le=29)]
SampleOffset = Annotated[int, Meta(ge=0, le=MAX_OFFSET)]
RawEncoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
ContainerEncoding = Literal["wav", "webm", "ogg", "flac", "mp3", "mp4"]
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

    `encoding` None: pcm_s16le, unless the first bytes are those of a file. `language` is "auto", one tag, or the list of tags
    that may be detected. `language_model` None: the API key's, else the route's. `endpoint_ms` is the silence that ends a
    segment. `reliable`: frames carry their sample offset, and the session can be resumed. `store_audio` None: what the API key
    says, which is no if nobody has said so.
    """

    encoding: RawEncoding | ContainerEncoding | None = None
    sample_rate: Annotated[int, Meta(ge=MIN_SAMPLE_RATE_HZ, le=MAX_SAMPLE_RATE_HZ)] = 16_000
    channels: Annotated[int, Meta(ge=1, le=2)] = 1
    language: LanguageTag | Annotated[list[LanguageTag], Meta(min_length=1, max_length=100)] | None = None
    model: ShortText | None = None
    scenario: ShortText | None = None
    language_model: ShortText | None = None
    interim: bool = True
    reliable: bool = False
    hotwords: Hotwords = []
    endpoint_ms: EndpointMs = 500
    max_segment_s: MaxSegmentS = 9.0
    denoise: bool = False
    words: bool = True
    store_audio: bool | None = None
    metadata: Annotated[
        dict[ShortText, Annotated[str, Meta(max_length=1024)] | int | float | bool | None], Meta(max_length=32)
    ] = {}


class Resume(ClientMessage, frozen=True, tag="resume", kw_only=True):
    """Goes on with a reliable session over a new socket; takes the place of `start`.

    `next_segment`: number of the first final that the client lacks. `oldest`: the first sample that it can still send.
    """

    session: Annotated[str, Meta(max_length=64)]
    token: Annotated[str, Meta(max_length=128)]
    next_segment: Annotated[int, Meta(ge=0, le=MAX_OFFSET)] = 0
    oldest: SampleOffset | None = None


class Configure(ClientMessage, frozen=True, tag="configure", kw_only=True):
    """Changes what is given, from the next segment on."""

    language: LanguageTag | Annotated[list[LanguageTag], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    language_model: ShortText | UnsetType | None = UNSET
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
    """No more audio: every final is sent, then `done`, then close 1000.

    `samples`: how many were sent in all, so that a tail that got lost is noticed (reliable mode).
    """

    samples: SampleOffset | None = None


class ServerMessage(Struct, frozen=True, tag_field="type", kw_only=True, omit_defaults=False):
    """Base of everything the server sends."""


class Ready(ServerMessage, frozen=True, tag="ready", kw_only=True):
    """The session is open. `window_ms`: how much audio may be under way ahead of recognition. `store_audio`: it is kept."""

    session: str
    resume_token: str | None
    model: str
    language: str
    sample_rate: int
    window_ms: int
    heartbeat_s: int = HEARTBEAT_S
    store_audio: bool = False


class Resumed(ServerMessage, frozen=True, tag="resumed", kw_only=True):
    """The session goes on over this socket. `offset`: the sample that is wanted next. What was missed follows."""

    session: str
    offset: int
    model: str
    language: str
    sample_rate: int
    window_ms: int
    credit_ms: int
    heartbeat_s: int = HEARTBEAT_S


class Ack(ServerMessage, frozen=True, tag="ack", kw_only=True):
    """Reliable mode: every sample before `received` has come; those before `settled` will never be asked for again.

    `credit_ms`: how much more audio may be sent now.
    """

    received: int
    settled: int
    credit_ms: int


class Nack(ServerMessage, frozen=True, tag="nack", kw_only=True, rename={"from_sample": "from", "to_sample": "to"}):
    """Reliable mode: the samples [from, to) did not come; send them again."""

    from_sample: int
    to_sample: int


class SpeechStarted(ServerMessage, frozen=True, tag="speech_started", kw_only=True):
    at_ms: int


class SpeechEnded(ServerMessage, frozen=True, tag="speech_ended", kw_only=True):
    at_ms: int


class PartialResult(ServerMessage, frozen=True, tag="partial", kw_only=True):
    """Text of the segment that is being spoken. `stable` is the leading part that later partials will not change. `model`: the
    one that wrote it, which need not be that of the final."""

    segment: int
    text: str
    stable: str
    start_ms: int
    end_ms: int
    model: str = ""


class Word(Struct, frozen=True, kw_only=True):
    text: str
    start_ms: int
    end_ms: int
    confidence: float


class FinalResult(ServerMessage, frozen=True, tag="final", kw_only=True):
    """Text of a finished segment; it never changes. `confidence` is 0 to 1. `revised`: it does not begin with what was `stable`
    in a partial of the segment."""

    segment: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    confidence: float
    model: str
    words: list[Word] = []
    from_finalize: bool = False
    revised: bool = False


class Pong(ServerMessage, frozen=True, tag="pong", kw_only=True):
    id: str | int | None = None


class Lag(ServerMessage, frozen=True, tag="lag", kw_only=True):
    """Recognition is `behind_ms` behind the audio that came."""

    behind_ms: int


class ModelChanged(ServerMessage, frozen=True, tag="model_changed", kw_only=True):
    """Another model recognises this session from the segment `from_segment` on."""

    model: str
    from_segment: int


class Gap(ServerMessage, frozen=True, tag="gap", kw_only=True):
    """Audio that is missing for good."""

    from_ms: int
    to_ms: int
    reason: str


class GoingAway(ServerMessage, frozen=True, tag="going_away", kw_only=True):
    """This server process stops. A reliable session is closed and waits `resume_within_s` for its `resume`, here or at another
    process; a plain one is brought to its end within `closes_in_s`.
    """

    reason: str
    resume_within_s: int | None
    closes_in_s: int


class SessionWarning(ServerMessage, frozen=True, tag="warning", kw_only=True):
    """Something came that was ignored or mended; the session goes on."""

    code: str
    message: str
    retryable: bool = False


class SessionError(ServerMessage, frozen=True, tag="error", kw_only=True):
    """The session is over. Terminal: nothing follows but the close. `retry_after_s`: when to try again, if that may help."""

    code: str
    message: str
    retryable: bool
    retry_after_s: int | None = None


class Done(ServerMessage, frozen=True, tag="done", kw_only=True):
    """The session is over and accounted for: received_ms = transcribed_ms + silence_ms + gap_ms."""

    session: str
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    num_segments: int
    complete: bool


CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (Start, Resume, Configure, Finalize, Ping, End)
SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    Ready, Resumed, Ack, Nack, SpeechStarted, SpeechEnded, PartialResult, FinalResult, Pong, Lag, ModelChanged,
    Gap, GoingAway, SessionWarning, SessionError, Done,
)  # fmt: skip

_encoder: Final = msgspec.json.Encoder()


def serialise(message: ServerMessage | ClientMessage) -> str:
    """JSON text of a message."""
    return _encoder.encode(message).decode()


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of every message, under $defs by class name, in the two groups `client` and `server`."""
    kinds = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    num_client = len(CLIENT_MESSAGES)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hark stream protocol",
        "$defs": {
            "client": {"anyOf": list(references[:num_client])},
            "server": {"anyOf": list(references[num_client:])},
            **definitions,
        },
    }
