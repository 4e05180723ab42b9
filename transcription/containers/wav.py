"""WAV: bare samples behind a header, its length often unknown to who writes it while somebody speaks."""

import struct
from dataclasses import dataclass
from typing import Final

from transcription.containers.errors import UndecodableAudioError
from transcription.containers.source import AudioTrack, EndOfInput, Reader, Reading, Source

PIECE_BYTES: Final = 65_536
MAX_CHANNELS: Final = 8
RATES_HZ: Final = range(4_000, 192_001)
EXTENSIBLE: Final = 0xFFFE
SAMPLE_TYPES: Final = {
    (1, 8): "u1",
    (1, 16): "<i2",
    (1, 24): "<i3",
    (1, 32): "<i4",
    (3, 32): "<f4",
    (3, 64): "<f8",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""(format tag, bits of a sample) → numpy type, or what numpy has no type for."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """data_bytes: None where the writer did not know. num_bytes: where the samples begin."""

    track: AudioTrack
    data_bytes: int | None
    num_bytes: int


def read_wav_header(payload: bytes) -> WavHeader | None:
    """The header that `payload` begins with; None where it does not end within it.

    Raises:
        UndecodableAudioError: it is no WAV, or of a kind that is not known.
    """
    source = Source()
    source.push(payload)
    source.is_over = True
    reading = _read_header(source)
    try:
        next(reading)
    except EndOfInput:
        return None
    except StopIteration as stop:
        header: WavHeader = stop.value
        return header
    raise AssertionError("a source that is over never waits")


def read_wav(source: Source) -> Reader:
    """A WAV file; what follows its samples (names, marks) is passed over."""
    header = yield from _read_header(source)
    yield header.track
    left = header.data_bytes
    while left is None or left:
        piece = yield from source.take_some(PIECE_BYTES if left is None else min(left, PIECE_BYTES))
        left = None if left is None else left - len(piece)
        yield piece
    while True:
        source.skip(len(source))
        yield from source.wait()


def _read_header(source: Source) -> Reading[WavHeader]:
    start = yield from source.take(12)
    if start[:4] not in {b"RIFF", b"RF64"} or start[8:] != b"WAVE":
        raise UndecodableAudioError(f"A WAV file was expected; it begins with {start[:4]!r} instead of RIFF.")
    track: AudioTrack | None = None
    while True:
        name, num_bytes = struct.unpack("<4sI", (yield from source.take(8)))
        if name == b"data":
            if track is None:
                raise UndecodableAudioError("The WAV file has samples before its format. Write it again with another tool.")
            is_known = num_bytes not in {0, 0xFFFFFFFF} and start[:4] == b"RIFF"
            return WavHeader(track, num_bytes if is_known else None, source.position)
        if name == b"fmt ":
            track = _track((yield from source.take(num_bytes)))
            source.skip(num_bytes & 1)
        else:
            source.pass_over(num_bytes + (num_bytes & 1))


def _track(described: bytes) -> AudioTrack:
    if len(described) < 16:
        raise UndecodableAudioError(f"The WAV file describes its format in {len(described)} bytes; expected 16 or more.")
    tag, num_channels, rate_hz, _, _, num_bits = struct.unpack("<HHIIHH", described[:16])
    if tag == EXTENSIBLE and len(described) >= 26:
        tag = struct.unpack("<H", described[24:26])[0]
    sample_type = SAMPLE_TYPES.get((tag, num_bits))
    if sample_type is None:
        raise UndecodableAudioError(
            f"The WAV file holds format {tag} with {num_bits} bits; expected PCM of 8 to 32 bits, floats, mu-law or A-law."
        )
    if rate_hz not in RATES_HZ or not 1 <= num_channels <= MAX_CHANNELS:
        raise UndecodableAudioError(f"The WAV file says {rate_hz} Hz and {num_channels} channels, which cannot be.")
    return AudioTrack("pcm", rate_hz, num_channels, sample_type=sample_type)
