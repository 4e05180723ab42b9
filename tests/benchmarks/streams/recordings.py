"""Made-up clips and sessions for the tests of the streams benchmark."""

from pathlib import Path
from typing import Any

from benchmarks.speech import Clip
from benchmarks.streams.player import Heard, Message, Take
from benchmarks.streams.tape import Part, Sound, Tape

START_S = 100.0
SOUND_MS = 2000
ONSET_MS = 200
END_MS = 1800
PAUSE_MS = 700


def clip(name: str, text: str = "some words") -> Clip:
    return Clip(name, Path(f"{name}.flac"), text, "en", "read", SOUND_MS / 1000)


def sound(name: str, text: str = "some words") -> Sound:
    """2 s; speech from 200 to 1800 ms."""
    return Sound(clip(name, text), SOUND_MS * 16, ONSET_MS * 16, END_MS * 16, quiet_rms=0.0)


def two_clips() -> Tape:
    """Speech from 700 to 2300 ms and from 3400 to 5000 ms."""
    return Tape(tuple(Part(sound(name), SOUND_MS * 16, PAUSE_MS * 16) for name in ("one", "two")))


def take_of(tape: Tape, *heard: tuple[float, Message], client: int = 0) -> Take:
    """A session whose first sample was due at `START_S`; messages with the ms after it at which they came."""
    return Take(client, tape, START_S, [Heard(START_S + at_ms / 1000, message) for at_ms, message in heard])


def final(segment: int, start_ms: int, end_ms: int, **fields: Any) -> Message:
    message = {"type": "final", "segment": segment, "text": "some words", "start_ms": start_ms, "end_ms": end_ms}
    return message | {"from_finalize": False} | fields


def partial(segment: int, end_ms: int, text: str = "some") -> Message:
    return {"type": "partial", "segment": segment, "text": text, "start_ms": 400, "end_ms": end_ms}


def ended(at_ms: int) -> Message:
    return {"type": "speech_ended", "at_ms": at_ms}


def done(received_ms: int, **fields: Any) -> Message:
    message = {"type": "done", "received_ms": received_ms, "transcribed_ms": received_ms, "silence_ms": 0, "gap_ms": 0}
    return message | {"complete": True} | fields
