"""What a session asks its consumer to do, in order: send, recognise, store. Pure data."""

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from inference import messages as link
from transcription.protocol import CloseCode, FinalResult, ServerMessage


@dataclass(frozen=True, slots=True)
class Send:
    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Close:
    code: CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    options: link.StreamOptions


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Whole frames in the stream's encoding."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ConfigureRecognition:
    """Only the given fields change."""

    languages: tuple[str, ...] | UnsetType = UNSET
    hotwords: tuple[str, ...] | UnsetType = UNSET
    endpoint_ms: int | UnsetType = UNSET
    max_segment_ms: int | UnsetType = UNSET
    interim: bool | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class FinalizeRecognition:
    pass


@dataclass(frozen=True, slots=True)
class EndRecognition:
    """Every final, then done."""


@dataclass(frozen=True, slots=True)
class CancelRecognition:
    """No event is wanted any more."""


@dataclass(frozen=True, slots=True)
class RecordStart:
    model: str
    language: str
    metadata: dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class RecordFinal:
    """Comes right before the `Send` of the same final: stored before it is announced."""

    final: FinalResult


@dataclass(frozen=True, slots=True)
class RecordEnd:
    """`status`: complete, incomplete or failed. latency: milliseconds."""

    status: str
    error_code: str
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    latency: dict[str, float]


Action = (
    Send
    | Close
    | OpenRecognition
    | SendAudio
    | ConfigureRecognition
    | FinalizeRecognition
    | EndRecognition
    | CancelRecognition
    | RecordStart
    | RecordFinal
    | RecordEnd
)
