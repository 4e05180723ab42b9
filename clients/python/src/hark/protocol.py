"""The messages of Hark's WebSocket protocol as JSON: writing a client's, reading a server's. Pure.

Read with the standard library: a stream brings some ten messages a second, and nothing has to be compiled where this is
installed. What a newer server adds (messages, fields) is passed over.
"""

import json
from dataclasses import MISSING, dataclass, fields
from struct import Struct
from typing import Any, TypeVar

from hark.errors import HarkError
from hark.events import Done, Final, Gap, Lag, ModelChanged, Partial, SpeechEnded, SpeechStarted, Warning, Word

OFFSET = Struct("<Q")
"""What stands before the audio of a reliable frame: the offset of its first sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMessage:
    session: str
    resume_token: str | None
    model: str
    language: str
    window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedMessage:
    """`offset`: the sample that the server wants next."""

    session: str
    offset: int
    model: str
    language: str
    credit_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Samples before `received` have come, those before `settled` will never be asked for again; `credit_ms` may follow."""

    received: int
    settled: int
    credit_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nack:
    """The samples [first, end) are to be sent again."""

    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingAway:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMessage:
    code: str
    message: str
    retryable: bool
    retry_after_s: float | None = None

    def as_exception(self) -> HarkError:
        return HarkError(self.code, self.message, retryable=self.retryable, retry_after_s=self.retry_after_s)


ServerMessage = (
    ReadyMessage | ResumedMessage | Ack | Nack | GoingAway | ErrorMessage
    | Partial | Final | Gap | Lag | ModelChanged | Warning | SpeechStarted | SpeechEnded | Done
)  # fmt: skip
_KINDS: dict[str, type[Any]] = {
    "ready": ReadyMessage, "resumed": ResumedMessage, "ack": Ack, "nack": Nack, "going_away": GoingAway, "error": ErrorMessage,
    "partial": Partial, "final": Final, "gap": Gap, "lag": Lag, "warning": Warning, "speech_started": SpeechStarted,
    "speech_ended": SpeechEnded, "model_changed": ModelChanged, "done": Done,
}  # fmt: skip
_RENAMED = {"nack": {"from": "first", "to": "end"}}
_Shape = TypeVar("_Shape")


def write(kind: str, **fields_: object) -> str:
    """Text of a client's message."""
    return json.dumps({"type": kind, **fields_}, ensure_ascii=False, separators=(",", ":"))


def audio_frame(offset: int, audio: bytes) -> bytes:
    """A binary message of reliable mode."""
    return OFFSET.pack(offset) + audio


def read(text: str) -> ServerMessage | None:
    """A server's message; None for a type that this version does not know.

    Raises:
        HarkError: bad_answer, when it is no message of the protocol: probably not a Hark server.
    """
    try:
        content = json.loads(text)
    except ValueError as err:
        raise _bad_answer("text that is not JSON") from err
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise _bad_answer("JSON that is no object with a type")
    kind = _KINDS.get(content["type"])
    if kind is None:
        return None
    renamed = _RENAMED.get(content["type"], {})
    message: ServerMessage = _shaped(kind, {str(renamed.get(name, name)): value for name, value in content.items()})
    return message


def _shaped(kind: type[_Shape], content: dict[str, Any]) -> _Shape:
    """`content` as a dataclass; what the class has no field for is passed over."""
    given: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # every kind here is a dataclass
        if field.name in content:
            given[field.name] = _checked(kind, field.name, field.type, content[field.name])
        elif field.default is MISSING:
            raise _bad_answer(f"a {kind.__name__} without {field.name}")
    return kind(**given)


def _checked(kind: type[object], name: str, wanted: object, value: Any) -> Any:
    if wanted == tuple[Word, ...] and isinstance(value, list) and all(isinstance(word, dict) for word in value):
        return tuple(_shaped(Word, word) for word in value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_right = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": is_number and isinstance(value, int),
        "float": is_number,
        "str | None": value is None or isinstance(value, str),
        "float | None": value is None or is_number,
    }.get(wanted.__name__ if isinstance(wanted, type) else str(wanted), False)
    if not is_right:
        raise _bad_answer(f"a {kind.__name__} whose {name} is {value!r:.40}")
    return value


def _bad_answer(what: str) -> HarkError:
    return HarkError("bad_answer", f"The server sent {what}. Is this the address of a Hark server, and this client up to date?")
