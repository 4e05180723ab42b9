"""Python client for Hark: send audio, read what is said while it is spoken."""

from hark import sync
from hark.connecting import connect
from hark.errors import HarkError, ResumeImpossible
from hark.events import (
    Done,
    Event,
    Final,
    Gap,
    Lag,
    ModelChanged,
    Partial,
    Ready,
    Reconnecting,
    Restarted,
    Resumed,
    SpeechEnded,
    SpeechStarted,
    Warning,
    Word,
)
from hark.options import AudioFormat
from hark.stream import Progress, Stream
from hark.transcript import Transcript
from hark.transcription import transcribe, transcribe_async
from hark.wav import UnusableFileError

__version__ = "0.1.0"
__all__ = [
    "AudioFormat", "Done", "Event", "Final", "Gap", "HarkError", "Lag", "ModelChanged", "Partial", "Progress", "Ready",
    "Reconnecting", "Restarted", "ResumeImpossible", "Resumed", "SpeechEnded", "SpeechStarted", "Stream", "Transcript",
    "UnusableFileError", "Warning", "Word", "connect", "sync", "transcribe", "transcribe_async",
]  # fmt: skip
