"""Fragmented MP4, as Safari's MediaRecorder writes it: an index first, then fragments that each say what is in them.

An MP4 with one index for the whole file cannot be heard before that index is there, and is refused.
Sources: ISO/IEC 14496-12 (boxes), 14496-1 (descriptors), https://opus-codec.org/docs/opus_in_isobmff.html (facts about the
formats).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from transcription.containers.errors import UndecodableAudioError
from transcription.containers.flac import track_of
from transcription.containers.ogg import opus_track
from transcription.containers.source import MAX_ELEMENT_BYTES, AudioTrack, Reader, Reading, Source

MAX_SAMPLES: Final = 100_000
BASE_GIVEN, DESCRIPTION_GIVEN, DURATION_GIVEN, SIZE_GIVEN = 0x1, 0x2, 0x8, 0x10
OFFSET_GIVEN, FIRST_FLAGS_GIVEN, DURATIONS_GIVEN, SIZES_GIVEN, FLAGS_GIVEN, TIMES_GIVEN = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True, slots=True)
class Movie:
    """What the index says of the first audio track. sample_bytes: the size of those that do not give theirs."""

    number: int
    track: AudioTrack
    sample_bytes: int


def read_mp4(source: Source) -> Reader:
    """Samples of the first track that is audio."""
    movie: Movie | None = None
    waiting: list[tuple[int, int]] = []
    while True:
        start = source.position
        kind, num_bytes = yield from _box(source)
        if kind == b"moov":
            movie = _movie((yield from source.take(num_bytes)))
            yield movie.track
        elif kind == b"moof" and movie is not None:
            waiting = _samples((yield from source.take(num_bytes)), start, movie)
        elif kind == b"mdat":
            _expect_index(movie, waiting)
            end = source.position + num_bytes
            for place, sample_bytes in waiting:
                if place < source.position or place + sample_bytes > end:
                    raise _damaged()
                source.pass_over(place - source.position)
                source.found_audio()
                yield (yield from source.take(sample_bytes))
            waiting = []
            source.pass_over(end - source.position)
        else:
            source.pass_over(num_bytes)


def _expect_index(movie: Movie | None, waiting: list[tuple[int, int]]) -> None:
    if movie is None or not waiting:
        raise UndecodableAudioError(
            "The MP4 file is not in fragments, so that it cannot be heard while it comes. "
            "Record fragments (MediaRecorder does), or send WAV, FLAC, MP3, Ogg or WebM."
        )


def _box(source: Source) -> Reading[tuple[bytes, int]]:
    """Kind of the next one and how many bytes of content follow."""
    size, kind = struct.unpack(">I4s", (yield from source.take(8)))
    num_bytes = size - 8
    if size == 1:
        num_bytes = int.from_bytes((yield from source.take(8)), "big") - 16
    if num_bytes < 0:
        raise _damaged()
    return kind, num_bytes


def _children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes in `content`."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size < 8 or place + size > len(content):
            raise _damaged()
        yield kind, content[place + 8 : place + size]
        place += size


def _at(content: bytes, *path: bytes) -> bytes:
    """Content of the first box at `path`; empty where there is none."""
    for wanted in path:
        content = next((found for kind, found in _children(content) if kind == wanted), b"")
    return content


def _number(content: bytes, place: int, num_bytes: int = 4) -> int:
    if place + num_bytes > len(content):
        raise _damaged()
    return int.from_bytes(content[place : place + num_bytes], "big")


def _movie(content: bytes) -> Movie:
    for kind, trak in _children(content):
        if kind == b"trak" and _at(trak, b"mdia", b"hdlr")[8:12] == b"soun":
            header = _at(trak, b"tkhd")
            number = _number(header, 20 if header[:1] == b"\x01" else 12)
            entries = _at(trak, b"mdia", b"minf", b"stbl", b"stsd")[8:]
            return Movie(number, _track(entries), _default_bytes(content, number))
    raise UndecodableAudioError("The MP4 file has no audio track. Record with audio.")


def _default_bytes(moov: bytes, number: int) -> int:
    extends = [content for kind, content in _children(_at(moov, b"mvex")) if kind == b"trex"]
    return next((_number(content, 16) for content in extends if _number(content, 4) == number), 0)


def _track(entries: bytes) -> AudioTrack:
    """From the first description of samples."""
    kind, entry = next(_children(entries), (b"", b""))
    num_channels, rate_hz, boxes = _number(entry, 16, 2), _number(entry, 24, 2), entry[28:]
    if kind == b"mp4a":
        return AudioTrack("aac", rate_hz, num_channels, extradata=_decoder_config(_at(boxes, b"esds")))
    if kind == b"Opus" and len(described := _at(boxes, b"dOps")) >= 11:
        skip, rate, gain = struct.unpack(">HIh", described[2:10])
        return opus_track(b"OpusHead\x01" + described[1:2] + struct.pack("<HIh", skip, rate, gain) + described[10:])
    if kind == b"fLaC":
        return track_of(_at(boxes, b"dfLa")[8:])
    raise UndecodableAudioError(f"The MP4 file holds {kind.decode('latin-1')!r}; expected AAC, Opus or FLAC.")


def _decoder_config(content: bytes) -> bytes:
    """What the AAC decoder wants to know: descriptor 5, in 4, in 3."""
    place = 4
    while place < len(content):
        tag, place = content[place], place + 1
        length = 0
        while True:
            byte = _number(content, place, 1)
            length, place = length << 7 | byte & 0x7F, place + 1
            if byte < 0x80:
                break
        if tag == 5:
            return content[place : place + length]
        place += {3: 3, 4: 13}.get(tag, length)
    raise UndecodableAudioError("The MP4 file does not describe its AAC.")


def _samples(moof: bytes, start: int, movie: Movie) -> list[tuple[int, int]]:
    """Place in the stream and size of each sample of a fragment. start: where the fragment stands."""
    found: list[tuple[int, int]] = []
    for kind, traf in _children(moof):
        head = _at(traf, b"tfhd") if kind == b"traf" else b""
        if not head or _number(head, 4) != movie.number:
            continue
        flags, place = _number(head, 1, 3), 8
        base = _number(head, place, 8) if flags & BASE_GIVEN else start
        place += sum(length for bit, length in ((BASE_GIVEN, 8), (DESCRIPTION_GIVEN, 4), (DURATION_GIVEN, 4)) if flags & bit)
        sample_bytes = _number(head, place) if flags & SIZE_GIVEN else movie.sample_bytes
        for inner, run in _children(traf):
            if inner == b"trun":
                found += _run(run, base, sample_bytes)
    return found


def _run(run: bytes, base: int, default_bytes: int) -> list[tuple[int, int]]:
    flags, count = _number(run, 1, 3), _number(run, 4)
    if count > MAX_SAMPLES or not flags & OFFSET_GIVEN:
        raise _damaged()
    at, place = base + _number(run, 8), 12 + (4 if flags & FIRST_FLAGS_GIVEN else 0)
    before = 4 if flags & DURATIONS_GIVEN else 0
    stride = 4 * sum(bool(flags & bit) for bit in (DURATIONS_GIVEN, SIZES_GIVEN, FLAGS_GIVEN, TIMES_GIVEN))
    found = []
    for number in range(count):
        size = _number(run, place + number * stride + before) if flags & SIZES_GIVEN else default_bytes
        if not 0 < size <= MAX_ELEMENT_BYTES:
            raise _damaged()
        found.append((at, size))
        at += size
    return found


def _damaged() -> UndecodableAudioError:
    return UndecodableAudioError("The MP4 stream is damaged: a box is cut or out of place. Send it from its beginning.")
