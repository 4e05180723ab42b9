"""MP3: frames that each say how long they are, tags before and behind, and often garbage between.

Sources: ISO/IEC 11172-3 and 13818-3, tables of the frame header; http://gabriel.mp3-tech.org/mp3infotag.html for the
encoder's delay (facts about the format).
"""

from dataclasses import dataclass
from typing import Final

from transcription.containers.errors import UndecodableAudioError
from transcription.containers.source import AudioTrack, Reader, Reading, Source

MAX_GARBAGE_BYTES: Final = 65_536
DECODER_DELAY_SAMPLES: Final = 529
KBITS_MPEG1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
KBITS_MPEG2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES_HZ: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""By version: 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    version: int
    sample_rate_hz: int
    num_channels: int
    num_bytes: int
    has_crc: bool

    @classmethod
    def parse(cls, four: bytes) -> "FrameHeader | None":
        """What the first four bytes say; None where they are no header of layer III."""
        if len(four) < 4 or four[0] != 0xFF or four[1] & 0xE0 != 0xE0:
            return None
        version, layer = four[1] >> 3 & 3, four[1] >> 1 & 3
        kbits_code, rate_code, padding = four[2] >> 4, four[2] >> 2 & 3, four[2] >> 1 & 1
        if version == 1 or layer != 1 or kbits_code in {0, 15} or rate_code == 3 or four[3] & 3 == 2:
            return None
        rate_hz = RATES_HZ[version][rate_code]
        kbits = (KBITS_MPEG1 if version == 3 else KBITS_MPEG2)[kbits_code]
        num_bytes = (144_000 if version == 3 else 72_000) * kbits // rate_hz + padding
        return cls(version, rate_hz, 1 if four[3] >> 6 == 3 else 2, num_bytes, not four[1] & 1)

    def is_like(self, other: "FrameHeader") -> bool:
        return (self.version, self.sample_rate_hz) == (other.version, other.sample_rate_hz)

    @property
    def info_place(self) -> int:
        """Where an encoder's notes stand in a frame that holds nothing else."""
        if self.version == 3:
            return 36 if self.num_channels == 2 else 21
        return 21 if self.num_channels == 2 else 13


def read_mp3(source: Source) -> Reader:
    """Frames of layer III; tags are passed over, and garbage up to MAX_GARBAGE_BYTES at a time."""
    track: AudioTrack | None = None
    while True:
        header = yield from _next_header(source)
        frame = yield from source.take(header.num_bytes)
        skip_samples = 0
        if track is None and (delay := _delay_of_notes(frame, header)) is not None:
            skip_samples = delay
        if track is None or (track.sample_rate_hz, track.num_channels) != (header.sample_rate_hz, header.num_channels):
            track = AudioTrack("mp3float", header.sample_rate_hz, header.num_channels, skip_samples=skip_samples)
            yield track
            if skip_samples:
                continue  # the notes themselves are no audio
        yield frame


def _next_header(source: Source) -> Reading[FrameHeader]:
    """Leaves the frame unread."""
    num_garbage = 0
    while True:
        start = yield from source.peek(4)
        header = FrameHeader.parse(start)
        if header is not None and (num_garbage == 0 or (yield from _is_followed(source, header))):
            return header
        if start[:3] == b"ID3":
            yield from _skip_tag(source)
            continue
        if num_garbage >= MAX_GARBAGE_BYTES:
            raise UndecodableAudioError(
                f"{num_garbage} bytes came that hold no MP3 frame. Send an MP3 file, or say in start what it is."
            )
        place = source.find(b"\xff", 1)
        step = max(1, len(source) - 3 if place < 0 else place)
        num_garbage += step
        source.skip(step)


def _is_followed(source: Source, header: FrameHeader) -> Reading[bool]:
    """In garbage a header counts only when another one stands where it says that the frame ends."""
    frame = yield from source.peek(header.num_bytes + 4)
    following = FrameHeader.parse(frame[header.num_bytes :])
    return following is not None and following.is_like(header)


def _skip_tag(source: Source) -> Reading[None]:
    tag = yield from source.take(10)
    length = 0
    for byte in tag[6:]:
        length = length << 7 | byte & 0x7F
    source.skip(length + (10 if tag[5] & 0x10 else 0))


def _delay_of_notes(frame: bytes, header: FrameHeader) -> int | None:
    """Samples that the encoder put in front, where the first frame holds nothing but its notes; None where it is audio."""
    if frame[36:40] == b"VBRI":
        return DECODER_DELAY_SAMPLES
    notes = frame[header.info_place + (2 if header.has_crc else 0) :]
    if notes[:4] not in {b"Xing", b"Info"}:
        return None
    fields = notes[7]  # number of frames, of bytes, table of contents, quality
    encoder = notes[8 + 4 * (fields & 1) + 4 * (fields >> 1 & 1) + 100 * (fields >> 2 & 1) + 4 * (fields >> 3 & 1) :]
    written = int.from_bytes(encoder[21:24], "big") >> 12 if len(encoder) >= 24 else 0
    return written + DECODER_DELAY_SAMPLES
