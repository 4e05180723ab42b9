"""FLAC: frames without a length. One ends where the next header stands that counts on from it.

Source: RFC 9639, sections 8 and 9 (facts about the format).
"""

from dataclasses import dataclass
from typing import Final

from transcription.containers.errors import UndecodableAudioError
from transcription.containers.source import MAX_ELEMENT_BYTES, AudioTrack, EndOfInput, Reader, Reading, Source

STREAM_INFO_BYTES: Final = 34
MAX_HEADER_BYTES: Final = 16
MIN_FRAME_BYTES: Final = 10


def _crc_table() -> tuple[int, ...]:
    def remainder(byte: int) -> int:
        for _ in range(8):
            byte = byte << 1 ^ (0x107 if byte & 0x80 else 0)
        return byte

    return tuple(remainder(byte) for byte in range(256))


CRC_TABLE: Final = _crc_table()


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """number: of the frame, or of its first sample where block sizes vary."""

    is_variable: bool
    number: int
    num_samples: int

    @classmethod
    def parse(cls, start: bytes) -> "FrameHeader | None":
        """What `start`, MAX_HEADER_BYTES or what is left, says; None where it is no header. Its checksum must be right."""
        if len(start) < 6 or start[0] != 0xFF or start[1] & 0xFE != 0xF8 or start[3] & 1:
            return None
        number, place = _coded_number(start, 4)
        size_code, rate_code = start[2] >> 4, start[2] & 15
        size_bytes = {6: 1, 7: 2}.get(size_code, 0)
        end = place + size_bytes + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
        if number is None or size_code == 0 or rate_code == 15 or end >= len(start) or _crc(start[: end + 1]):
            return None
        written = int.from_bytes(start[place : place + size_bytes], "big") + 1
        return cls(bool(start[1] & 1), number, written if size_bytes else _num_samples(size_code))

    def is_followed_by(self, other: "FrameHeader") -> bool:
        step = self.num_samples if self.is_variable else 1
        return other.is_variable == self.is_variable and other.number == self.number + step


def read_flac(source: Source) -> Reader:
    """A FLAC stream. A frame is complete when the next one begins."""
    if (yield from source.take(4)) != b"fLaC":
        raise UndecodableAudioError("A FLAC file was expected; it does not begin with fLaC.")
    info = yield from _read_metadata(source)
    yield track_of(info)
    max_bytes = max_frame_bytes(info)
    while True:
        num_bytes = yield from _frame_bytes(source, max_bytes)
        yield (yield from source.take(num_bytes))


def track_of(stream_info: bytes) -> AudioTrack:
    """From a STREAMINFO block, also as other containers carry it."""
    if len(stream_info) < STREAM_INFO_BYTES:
        raise UndecodableAudioError("The FLAC header is damaged: it describes no stream.")
    rate_hz = int.from_bytes(stream_info[10:13], "big") >> 4
    num_channels = (stream_info[12] >> 1 & 7) + 1
    return AudioTrack("flac", rate_hz, num_channels, extradata=stream_info[:STREAM_INFO_BYTES])


def _read_metadata(source: Source) -> Reading[bytes]:
    """The STREAMINFO; pictures and names are passed over."""
    info = b""
    while True:
        head = yield from source.take(4)
        num_bytes = int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 0:
            info = yield from source.take(num_bytes)
        else:
            source.pass_over(num_bytes)
        if head[0] & 0x80:
            return info


def max_frame_bytes(stream_info: bytes) -> int:
    """A frame whose samples are not compressed at all, with some room for its headers."""
    num_samples = int.from_bytes(stream_info[2:4], "big")
    num_channels = (stream_info[12] >> 1 & 7) + 1
    num_bits = (int.from_bytes(stream_info[12:14], "big") >> 4 & 31) + 1
    return min(MAX_ELEMENT_BYTES, num_samples * num_channels * (num_bits + 1) // 8 + 256)


def _frame_bytes(source: Source, max_bytes: int) -> Reading[int]:
    """How long the frame is that stands first."""
    yield from source.peek(6 if source.is_over else MAX_HEADER_BYTES)
    here = FrameHeader.parse(source.look(0, MAX_HEADER_BYTES))
    if here is None:
        raise UndecodableAudioError("The FLAC stream is damaged: no frame begins where one should.")
    sync, place = source.look(0, 2), MIN_FRAME_BYTES
    while True:
        found = source.find(sync, place)
        if found >= 0 and (len(source) >= found + MAX_HEADER_BYTES or source.is_over):
            following = FrameHeader.parse(source.look(found, MAX_HEADER_BYTES))
            if following is not None and here.is_followed_by(following):
                return found
            place = found + 1
            continue
        place = max(place, len(source) - 1 if found < 0 else found)
        if place > max_bytes:
            raise UndecodableAudioError("The FLAC stream is damaged: a frame does not end.")
        try:
            yield from source.wait()
        except EndOfInput:
            return len(source)


def _coded_number(start: bytes, place: int) -> tuple[int | None, int]:
    """A number coded as UTF-8 codes characters, and where it ends."""
    first = start[place]
    num_more = 0 if first < 0x80 else 7 - (first ^ 0xFF).bit_length()
    rest = start[place + 1 : place + 1 + num_more]
    if first == 0xFF or 0x80 <= first < 0xC0 or len(rest) < num_more or any(byte & 0xC0 != 0x80 for byte in rest):
        return None, place
    number = first if first < 0x80 else first & (0x3F >> num_more)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, place + 1 + num_more


def _num_samples(size_code: int) -> int:
    return 192 if size_code == 1 else 576 << (size_code - 2) if size_code < 6 else 256 << (size_code - 8)


def _crc(covered: bytes) -> int:
    """0 where the last byte is the checksum of those before it."""
    crc = 0
    for byte in covered:
        crc = CRC_TABLE[crc ^ byte]
    return crc
