"""A client's text messages: JSON in, a message of the protocol out, or a refusal that says what to do. Pure."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

import msgspec

from transcription.protocol import (
    CLIENT_MESSAGES,
    MAX_SAMPLE_RATE_HZ,
    MAX_TEXT_CHARS,
    MIN_SAMPLE_RATE_HZ,
    ClientMessage,
    ContainerEncoding,
    RawEncoding,
)

MAX_JSON_DEPTH = 16
MAX_UNKNOWN_NAMED = 5
MAX_HINT_CHARS = 64
ENCODINGS: Final = (*get_args(RawEncoding), *get_args(ContainerEncoding))


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
    "encoding": ("unsupported_encoding", f"{', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"),
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
