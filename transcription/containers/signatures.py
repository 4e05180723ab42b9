"""Which container a stream is, by its first bytes. Bare samples must never be taken for one."""

from typing import Final, Literal

from transcription.containers.mp3 import FrameHeader

ContainerKind = Literal["wav", "webm", "ogg", "flac", "mp3", "mp4"]

NAMES: Final[dict[ContainerKind, str]] = {
    "wav": "a WAV file",
    "webm": "a WebM file",
    "ogg": "an Ogg file",
    "flac": "a FLAC file",
    "mp3": "an MP3 file",
    "mp4": "an MP4 file",
}
NUM_MP3_FRAMES: Final = 3
"""So many headers that agree, each where the one before says: chance does not do that."""


def sniff(payload: bytes) -> ContainerKind | None:
    """The container that begins with `payload`, or None: bare samples, or too little to tell (a dozen bytes are enough)."""
    if payload[:4] in {b"RIFF", b"RF64"}:
        return "wav" if payload[8:12] == b"WAVE" else None
    if payload.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm"
    if payload.startswith(b"OggS\0"):
        return "ogg"
    if payload.startswith(b"fLaC"):
        return "flac"
    if payload[4:8] == b"ftyp" and payload[:2] == b"\0\0":
        return "mp4"
    return "mp3" if _is_mp3(payload) else None


def _is_mp3(payload: bytes) -> bool:
    if payload.startswith(b"ID3"):  # version 2 to 4, and a length of four times seven bits
        return len(payload) >= 10 and 2 <= payload[3] <= 4 and max(payload[6:10]) < 0x80
    first = FrameHeader.parse(payload)
    place = 0
    for _ in range(NUM_MP3_FRAMES):
        header = FrameHeader.parse(payload[place : place + 4])
        if first is None or header is None or not header.is_like(first):
            return False
        place += header.num_bytes
    return True
