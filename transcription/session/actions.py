"""What a session asks its stream to do, in order: send, recognise, store. Pure data."""

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from inference import messages as link
from transcription.protocol import CloseCode, ContainerEncoding, FinalResult, Gap, ServerMessage, Start
from transcription.session.account import Account


@dataclass(frozen=True, slots=True)
class Send:
    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Close:
    code: CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    """`checkpoint` is not the beginning where a session goes on that another web process began. `stores_audio`: keep it, too."""

    options: link.StreamOptions
    checkpoint: link.Checkpoint = link.Checkpoint()
    stores_audio: bool = False


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Whole frames in the stream's encoding."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class SendGap:
    """Frames that will never come."""

    num_frames: int


@dataclass(frozen=True, slots=True)
class DecodeAudio:
    """The next bytes of a file or recording in the container `kind`; what is in them comes back as `on_decoded`."""

    kind: ContainerEncoding
    payload: bytes


@dataclass(frozen=True, slots=True)
class FinishDecoding:
    """No more bytes: what is left comes back as `on_decoded`, then `on_decoded_end`."""


@dataclass(frozen=True, slots=True)
class DiscardAudio:
    """Keep no audio of this session, and throw away what was kept of it."""


@dataclass(frozen=True, slots=True)
class ConfigureRecognition:
    """Only the given fields change."""

    languages: tuple[str, ...] | UnsetType = UNSET
    hotwords: tuple[str, ...] | UnsetType = UNSET
    endpoint_ms: int | UnsetType = UNSET
    max_segment_ms: int | UnsetType = UNSET
    interim: bool | UnsetType = UNSET
    model: str | UnsetType = UNSET
    partial_model: str | UnsetType | None = UNSET
    language_model: str | UnsetType = UNSET

    @property
    def is_empty(self) -> bool:
        return all(getattr(self, name) is UNSET for name in self.__slots__)


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
    """`options`: of a reliable session, so that another web process can go on with it."""

    model: str
    language: str
    metadata: dict[str, str | int | float | bool | None]
    options: Start | None = None


@dataclass(frozen=True, slots=True)
class RecordFinal:
    """Comes right before the `Send` of the same final: stored before it is announced, together with how far it settles.

    timings: what inference has measured.
    """

    final: FinalResult
    checkpoint: link.Checkpoint
    timings: link.Timings


@dataclass(frozen=True, slots=True)
class RecordCheckpoint:
    """How far a reliable session is settled, between finals, and what it was configured to be."""

    checkpoint: link.Checkpoint
    gaps: tuple[Gap, ...]
    options: Start


@dataclass(frozen=True, slots=True)
class RecordEnd:
    """`status`: complete, incomplete or failed. latency: milliseconds. `is_given_up`: its client may not come back."""

    status: str
    error_code: str
    account: Account
    gaps: tuple[Gap, ...]
    latency: dict[str, float]
    is_given_up: bool = False


RecordAction = RecordStart | RecordFinal | RecordCheckpoint | RecordEnd
RecognitionAction = SendAudio | SendGap | ConfigureRecognition | FinalizeRecognition | EndRecognition | CancelRecognition
DecodingAction = DecodeAudio | FinishDecoding
Action = Send | Close | OpenRecognition | DiscardAudio | RecognitionAction | DecodingAction | RecordAction
