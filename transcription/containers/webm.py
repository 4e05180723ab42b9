"""WebM and Matroska, as MediaRecorder writes them: clusters and segments whose length nobody knew when they began.

Elements that only hold others are stepped into and never left: what comes is a flat row, and no length has to be believed.
Source: RFC 8794 (EBML), RFC 9559 (Matroska) (facts about the formats).
"""

import struct
from collections.abc import Iterator
from typing import Final

from transcription.containers.errors import UndecodableAudioError
from transcription.containers.flac import track_of
from transcription.containers.ogg import opus_track
from transcription.containers.source import MAX_ELEMENT_BYTES, AudioTrack, Reader, Reading, Source

EBML, TRACKS = 0x1A45DFA3, 0x1654AE6B
SIMPLE_BLOCK, BLOCK = 0xA3, 0xA1
SEGMENT, CLUSTER, BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA0
STEPPED_INTO: Final = frozenset({SEGMENT, CLUSTER, BLOCK_GROUP})
TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, CODEC_ID, CODEC_PRIVATE = 0xAE, 0xD7, 0x83, 0x86, 0x63A2
AUDIO, SAMPLING_HZ, CHANNELS, BIT_DEPTH, ENCODINGS = 0xE1, 0xB5, 0x9F, 0x6264, 0x6D80
IS_AUDIO: Final = 2
PASSED_OVER: Final = frozenset({
    EBML, TRACKS, SIMPLE_BLOCK, BLOCK,  # those of other tracks
    0xEC, 0xBF,  # void, checksum
    0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1254C367, 0x1941A469, 0x1043A770,  # places, names, cues, tags, attachments, chapters
    0xE7, 0xA7, 0xAB, 0x5854,  # in a cluster: its time, place, size, silent tracks
    0x9B, 0xFB, 0xFA, 0x75A1, 0x75A2, 0xA4, 0x8E,  # in a group: duration, references, additions, padding, state, slices
})  # fmt: skip
MAX_UNKNOWN_BYTES: Final = 4_096
"""An element that nobody knows may be of a later version; a larger one is damage that would swallow audio."""
BLOCK_HEAD_BYTES: Final = 12


def read_webm(source: Source) -> Reader:
    """Packets of the first track that is audio."""
    number = -1
    while True:
        kind, num_bytes = yield from _element(source)
        if kind in STEPPED_INTO:
            source.pass_over(0)
            continue
        if num_bytes is None or (kind not in PASSED_OVER and num_bytes > MAX_UNKNOWN_BYTES):
            raise UndecodableAudioError("The WebM stream is damaged: an element is out of place. Send it from its beginning.")
        if kind == TRACKS and number < 0:
            number, track = _audio_track((yield from source.take(num_bytes)))
            yield track
        elif kind in {SIMPLE_BLOCK, BLOCK} and (yield from _is_of(source, num_bytes, number)):
            source.found_audio()
            yield from _packets((yield from source.take(num_bytes)))
        else:
            source.pass_over(num_bytes)


def _element(source: Source) -> Reading[tuple[int, int | None]]:
    """Kind and length of the next one; its content stays unread. None: the length was not known."""
    kind = yield from _number(source, 4)
    size_bytes = 9 - (yield from source.peek(1))[0].bit_length()
    size = yield from _number(source, 8)
    is_unknown = size == (1 << 7 * size_bytes + 1) - 1
    return kind, None if is_unknown else size ^ 1 << 7 * size_bytes


def _number(source: Source, max_bytes: int) -> Reading[int]:
    """Its first one-bit, which says how long it is, is left in."""
    num_bytes = 9 - (yield from source.peek(1))[0].bit_length()
    if num_bytes > max_bytes:
        raise UndecodableAudioError("The WebM stream is damaged: no element begins where one should. Send it from its beginning.")
    return int.from_bytes((yield from source.take(num_bytes)), "big")


def _is_of(source: Source, num_bytes: int, number: int) -> Reading[bool]:
    """Whether the block that comes belongs to the track `number`."""
    head = yield from source.peek(min(num_bytes, BLOCK_HEAD_BYTES))
    return len(head) >= 4 and _coded(head, 0)[0] == number


def _packets(block: bytes) -> Iterator[bytes]:
    """Those of a block, which may hold several ("lacing")."""
    _, place = _coded(block, 0)
    lacing = _byte(block, place + 2) >> 1 & 3
    place += 3
    if lacing == 0:
        yield block[place:]
        return
    num_packets = _byte(block, place) + 1
    place += 1
    if lacing == 2:
        lengths = [(len(block) - place) // num_packets] * (num_packets - 1)
    elif lacing == 1:
        lengths, place = _xiph_lengths(block, place, num_packets - 1)
    else:
        lengths, place = _ebml_lengths(block, place, num_packets - 1)
    for length in [*lengths, len(block) - place - sum(lengths)]:
        if length < 0:
            raise _damaged()
        yield block[place : place + length]
        place += length


def _xiph_lengths(block: bytes, place: int, count: int) -> tuple[list[int], int]:
    lengths = []
    for _ in range(count):
        length = 0
        while (byte := _byte(block, place)) == 255:
            length += byte
            place += 1
        lengths.append(length + byte)
        place += 1
    return lengths, place


def _ebml_lengths(block: bytes, place: int, count: int) -> tuple[list[int], int]:
    """The first one as it is, the others as differences from the one before."""
    lengths: list[int] = []
    for _ in range(count):
        before = place
        value, place = _coded(block, place)
        middle = (1 << 7 * (place - before) - 1) - 1
        lengths.append(lengths[-1] + value - middle if lengths else value)
    return lengths, place


def _coded(block: bytes, place: int) -> tuple[int, int]:
    """A number without the bit that says how long it is, and where it ends."""
    num_bytes = 9 - _byte(block, place).bit_length()
    if num_bytes > 8 or place + num_bytes > len(block):
        raise _damaged()
    return int.from_bytes(block[place : place + num_bytes], "big") ^ 1 << 7 * num_bytes, place + num_bytes


def _byte(block: bytes, place: int) -> int:
    if place >= len(block):
        raise _damaged()
    return block[place]


def _damaged() -> UndecodableAudioError:
    return UndecodableAudioError("The WebM stream is damaged: an element is cut. Send it from its beginning.")


def _audio_track(tracks: bytes) -> tuple[int, AudioTrack]:
    """Number and description of the first one that is audio."""
    for kind, content in _children(tracks):
        if kind != TRACK_ENTRY:
            continue
        entry = dict(_children(content))
        if int.from_bytes(entry.get(TRACK_TYPE, b""), "big") == IS_AUDIO:
            return int.from_bytes(entry.get(TRACK_NUMBER, b""), "big"), _track(entry)
    raise UndecodableAudioError("The WebM file has no audio track. Record with audio.")


def _track(entry: dict[int, bytes]) -> AudioTrack:
    codec = entry.get(CODEC_ID, b"").rstrip(b"\0").decode("ascii", "replace")
    private = entry.get(CODEC_PRIVATE, b"")
    audio = dict(_children(entry.get(AUDIO, b"")))
    rate_hz = round(_float(audio.get(SAMPLING_HZ, b"")) or 8_000)
    num_channels = int.from_bytes(audio.get(CHANNELS, b"\x01"), "big")
    num_bits = int.from_bytes(audio.get(BIT_DEPTH, b""), "big")
    if ENCODINGS in entry:
        raise UndecodableAudioError("The audio track of the file is compressed or encrypted as a whole. Write it without that.")
    if codec == "A_OPUS":
        return opus_track(private)
    if codec == "A_FLAC":
        return track_of(private[8:])
    sample_type = {("A_PCM/INT/LIT", 16): "<i2", ("A_PCM/FLOAT/IEEE", 32): "<f4"}.get((codec, num_bits))
    if sample_type is not None:
        return AudioTrack("pcm", rate_hz, num_channels, sample_type=sample_type)
    name = {"A_VORBIS": "vorbis", "A_AAC": "aac", "A_MPEG/L3": "mp3float"}.get(codec)
    if name is None:
        raise UndecodableAudioError(f"The WebM file holds {codec[:40]!r}; expected Opus, Vorbis, FLAC, MP3, AAC or PCM.")
    return AudioTrack(name, rate_hz, num_channels, extradata=private)


def _children(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of the elements in `content`."""
    place = 0
    while place < len(content):
        kind_bytes = 9 - content[place].bit_length()
        kind = int.from_bytes(content[place : place + kind_bytes], "big")
        size, start = _coded(content, place + kind_bytes)
        if size > MAX_ELEMENT_BYTES:
            raise _damaged()
        yield kind, content[start : start + size]
        place = start + size


def _float(content: bytes) -> float:
    if len(content) == 4:
        return float(struct.unpack(">f", content)[0])
    return float(struct.unpack(">d", content)[0]) if len(content) == 8 else 0.0
