"""Messages of the native WebSocket protocol at /stream: their shapes, limits, codes, and JSON in both directions.

Pure data: nothing here knows Django, sockets or the database. docs/protocol.md describes the same messages in prose and
docs/protocol.schema.json is generated from these classes.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_FRAME_BYTES = 1024 * 1024
MAX_TEXT_CHARS = 64 * 1024
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
HEARTBEAT_S = 30

MAX_JSON_DEPTH = 16
MAX_UNKNOWN_NAMED = 5
MAX_HINT_CHARS = 64
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
    max_segment_s: MaxSegmentS = 9.0
    denoise: bool = False
    words: bool = True
    metadata: Annotated[
        dict[ShortText, Annotated[str, Meta(max_length=1024)] | int | float | bool | None], Meta(max_length=32)
    ] = {}


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


class PartialResult(ServerMessage, frozen=True, tag="partial", kw_only=True):
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


class FinalResult(ServerMessage, frozen=True, tag="final", kw_only=True):
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
    Ready, SpeechStarted, SpeechEnded, PartialResult, FinalResult, Pong, Lag, Gap, SessionWarning, SessionError, Done,
)  # fmt: skip


class ProtocolError(Exception):
    """What a client sent cannot be used. `code` is stable; `message` says what came, what was expected, what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Parsed:
    """A client's message, and a sentence for each option in it that nobody knows."""

    message: ClientMessage
    unknown: tuple[str, ...]


_BY_TYPE: Final = {str(kind.__struct_config__.tag): kind for kind in CLIENT_MESSAGES}
_encoder: Final = msgspec.json.Encoder()


def parse(text: str) -> Parsed:
    """Read one text message from a client.

    Raises:
        ProtocolError: message_too_long, invalid_json, invalid_message or unknown_message.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise ProtocolError(
            "message_too_long", f"A text message of {len(text)} characters came; at most {MAX_TEXT_CHARS} are allowed."
        )
    fields = _fields(text)
    kind = _BY_TYPE.get(fields.get("type", ""))  # a type that is no string is no key either
    if kind is None:
        expected = ", ".join(_BY_TYPE)
        raise ProtocolError(
            "unknown_message", f"A message of type {_shown(fields.get('type'))} came; expected one of {expected}."
        )
    try:
        message = msgspec.convert(fields, kind)
    except msgspec.ValidationError as err:
        raise _refusal(str(err), fields) from err
    return Parsed(message, tuple(_unknown(kind, fields)))


_FIELD_CODES: Final = {
    "encoding": ("unsupported_encoding", "pcm_s16le or pcm_f32le"),
    "sample_rate": ("unsupported_sample_rate", f"a whole number from {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ}"),
    "channels": ("unsupported_channels", "1 or 2"),
}


def _refusal(reason: str, fields: dict[str, Any]) -> ProtocolError:
    """What is wrong with which field, and what its value was."""
    path = reason.rpartition("$.")[2] if "$." in reason else ""
    name = path.split(".")[0].split("[")[0].rstrip("`")
    if name not in fields:
        return ProtocolError("invalid_message", f"The {fields['type']} message cannot be used: {reason}.")
    code, expected = _FIELD_CODES.get(name, ("invalid_option", reason[:1].lower() + reason[1:].split(" - at ")[0]))
    return ProtocolError(
        code, f"{name} is {_shown(fields[name])}; {expected if 'xpected' in expected else 'expected ' + expected}."
    )


def _fields(text: str) -> dict[str, Any]:
    if _depth(text) > MAX_JSON_DEPTH:
        raise ProtocolError("invalid_json", f"The message is nested deeper than {MAX_JSON_DEPTH} levels. Send flat JSON objects.")
    try:
        fields = msgspec.json.decode(text)
    except msgspec.DecodeError as err:
        raise ProtocolError(
            "invalid_json", f"A text message came that is not JSON ({err}). Send audio as binary frames."
        ) from err
    if not isinstance(fields, dict):
        raise ProtocolError("invalid_message", f"A JSON {type(fields).__name__} came; expected an object with a type.")
    if not isinstance(fields.get("type"), str):
        raise ProtocolError(
            "invalid_message", f"The message has type {_shown(fields.get('type'))}; expected one of {', '.join(_BY_TYPE)}."
        )
    return fields


def _depth(text: str) -> int:
    """How deep brackets nest; those inside strings count too, which only makes the limit stricter."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _shown(value: object) -> str:
    """`value` short enough for a message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _unknown(kind: type[ClientMessage], fields: dict[str, Any]) -> list[str]:
    """A sentence for each unknown option; beyond MAX_UNKNOWN_NAMED they are only counted: looking for near names is slow."""
    known = [*kind.__struct_fields__, "type"]
    unknown = [name for name in fields if name not in known]
    sentences = [
        f"The option {_shown(name)} is unknown and was ignored. {_hint(name, known)}" for name in unknown[:MAX_UNKNOWN_NAMED]
    ]
    num_more = len(unknown) - len(sentences)
    return [*sentences, f"{num_more} more unknown options were ignored."] if num_more else sentences


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name[:MAX_HINT_CHARS], known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known options: {', '.join(sorted(known))}."


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
