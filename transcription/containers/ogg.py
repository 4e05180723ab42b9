"""Ogg: pages that hold packets of one or more streams. The first stream that is audio is heard.

Sources: RFC 3533 (pages), RFC 7845 (Opus in Ogg), the Vorbis I specification and RFC 9639 section 10.1 (facts about the formats).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from transcription.containers.errors import UndecodableAudioError
from transcription.containers.flac import track_of
from transcription.containers.source import MAX_ELEMENT_BYTES, AudioTrack, Reader, Reading, Source

HEADER_BYTES: Final = 27
CONTINUED, FIRST, LAST = 1, 2, 4
MAX_HEADER_BYTES: Final = 128 * 1024
"""Kept of a header packet. Only names and pictures are larger, and no decoder needs them."""
BITS_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
NO_COMMENTS: Final = b"\x03vorbis" + bytes(8) + b"\x01"


@dataclass(frozen=True, slots=True)
class Page:
    """pieces: of packets; the last one ends with the page unless `is_cut`."""

    flags: int
    serial: int
    pieces: tuple[bytes, ...]
    is_cut: bool


@dataclass(slots=True)
class LogicalStream:
    """Joins packets and reads their headers. track: None until they are complete."""

    serial: int
    track: AudioTrack | None = None
    _begun: bytearray | None = None
    _headers: list[bytes] = field(default_factory=list)
    _num_headers: int = 0

    def packets(self, page: Page) -> Iterator[bytes]:
        """Those that end on `page`."""
        for number, piece in enumerate(page.pieces):
            if number == 0 and page.flags & CONTINUED:
                if self._begun is None:
                    continue  # its beginning was never seen
                self._begun += piece
            else:
                self._begun = bytearray(piece)
            self._bound()
            if number < len(page.pieces) - 1 or not page.is_cut:
                whole, self._begun = bytes(self._begun), None
                yield whole

    def take_header(self, packet: bytes) -> AudioTrack | None:
        """One of the packets before the audio; the last one gives the track."""
        self._headers.append(packet)
        if len(self._headers) == 1:
            self._num_headers = _num_headers(packet)
        if len(self._headers) == self._num_headers:
            self.track = _track(self._headers)
            self._headers = []
        return self.track

    def _bound(self) -> None:
        assert self._begun is not None
        if self.track is None:
            del self._begun[MAX_HEADER_BYTES:]
        elif len(self._begun) > MAX_ELEMENT_BYTES:
            raise UndecodableAudioError("The Ogg stream is damaged: a packet does not end.")


def read_ogg(source: Source) -> Reader:
    """Packets of the first stream that is audio, and of those that follow when it ends."""
    stream: LogicalStream | None = None
    has_found = False
    while True:
        page = yield from _read_page(source)
        if page.flags & FIRST and stream is None and _num_headers(page.pieces[0] if page.pieces else b""):
            stream = LogicalStream(page.serial)
        if stream is None and not has_found and not page.flags & FIRST:
            raise UndecodableAudioError(
                "The Ogg file holds no Opus, Vorbis or FLAC, or begins in the middle. Send another format."
            )
        if stream is None or page.serial != stream.serial:
            continue
        for packet in stream.packets(page):
            if stream.track is not None:
                yield packet
            elif (track := stream.take_header(packet)) is not None:
                has_found = True
                yield track
        if page.flags & LAST:
            stream = None


def _read_page(source: Source) -> Reading[Page]:
    head = yield from source.peek(HEADER_BYTES)
    if head[:5] != b"OggS\0":
        raise UndecodableAudioError("The Ogg stream is damaged: no page begins where one should. Send it from its beginning.")
    flags, serial, checksum, num_lengths = head[5], *struct.unpack("<I4xIB", head[14:])
    lengths = (yield from source.peek(HEADER_BYTES + num_lengths))[HEADER_BYTES:]
    page = yield from source.take(HEADER_BYTES + num_lengths + sum(lengths))
    if _crc(page[:22] + bytes(4) + page[26:]) != checksum:
        raise UndecodableAudioError("The Ogg stream is damaged: the checksum of a page is wrong. Send it again.")
    pieces, start, end = [], HEADER_BYTES + num_lengths, HEADER_BYTES + num_lengths
    for length in lengths:
        end += length
        if length < 255:
            pieces.append(page[start:end])
            start = end
    is_cut = bool(lengths) and lengths[-1] == 255
    if is_cut:
        pieces.append(page[start:end])
    return Page(flags, serial, tuple(pieces), is_cut)


def _crc(page: bytes) -> int:
    """Ogg's counts the bits of a byte from the other end than zlib's, and begins and ends with 0."""
    mirrored = zlib.crc32(page.translate(BITS_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(BITS_REVERSED), "big")


def _num_headers(first: bytes) -> int:
    """How many packets come before the audio; 0 where the stream is of a kind that is not known."""
    if first.startswith(b"OpusHead"):
        return 2
    if first.startswith(b"\x01vorbis"):
        return 3
    if first.startswith(b"\x7fFLAC") and len(first) >= 51:
        return 1 + int.from_bytes(first[7:9], "big")
    return 0


def _track(headers: list[bytes]) -> AudioTrack:
    first = headers[0]
    if first.startswith(b"OpusHead"):
        return opus_track(first)
    if first.startswith(b"\x01vorbis"):
        return vorbis_track([first, NO_COMMENTS, headers[2]])
    return track_of(first[17:])


def opus_track(head: bytes) -> AudioTrack:
    """head: an OpusHead."""
    if len(head) < 19:
        raise UndecodableAudioError("The Opus header is damaged: it is too short.")
    return AudioTrack("opus", 48_000, head[9], extradata=head)


def vorbis_track(headers: list[bytes]) -> AudioTrack:
    """headers: the three packets before the audio."""
    first = headers[0]
    if len(first) < 30:
        raise UndecodableAudioError("The Vorbis header is damaged: it is too short.")
    lengths = b"".join(b"\xff" * (len(header) // 255) + bytes([len(header) % 255]) for header in headers[:2])
    extradata = b"\x02" + lengths + b"".join(headers)
    return AudioTrack("vorbis", int.from_bytes(first[12:16], "little"), first[11], extradata=extradata)
