"""WAV files read with nothing but the standard library: the samples as a Hark server takes them. Pure.

`wave` reads integers only; telephone and float recordings are WAV files too.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct, error
from typing import cast

from hark.options import AudioFormat, Encoding

_CHUNK = Struct("<4sI")
_FORMAT = Struct("<HHIIHH")
PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_SIGN_FLIP = bytes(value ^ 0x80 for value in range(256))


class UnusableFileError(ValueError):
    """The file is no audio that can be sent; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Samples:
    """`audio`: whole frames in `format`."""

    format: AudioFormat
    audio: bytes


def is_wav(content: bytes) -> bool:
    return content[:4] in {b"RIFF", b"RF64"} and content[8:12] == b"WAVE"


def read_wav(content: bytes) -> Samples:
    """Raises UnusableFileError: damaged, or of a kind that is not taken as it is."""
    try:
        chunks = dict(_chunks(content))
        tag, num_channels, rate_hz, _bytes_s, frame_bytes, num_bits = _FORMAT.unpack_from(chunks[b"fmt "])
        if tag == EXTENSIBLE:
            tag = int.from_bytes(chunks[b"fmt "][24:26], "little")
        samples = chunks[b"data"]
    except (KeyError, error) as err:
        raise UnusableFileError("The WAV file is damaged: it has no format or no samples.") from err
    encoding, convert = _conversion(tag, num_bits)
    try:
        audio_format = AudioFormat(encoding=encoding, sample_rate_hz=rate_hz, num_channels=num_channels)
    except ValueError as err:
        raise UnusableFileError(f"The WAV file cannot be sent as it is: {err}") from err
    surplus = len(samples) % frame_bytes if frame_bytes else 0
    return Samples(audio_format, convert(samples[: len(samples) - surplus]))


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of each; a recording that was cut off has a last chunk shorter than it says."""
    found, at = [], 12
    while at + _CHUNK.size <= len(content):
        name, size = _CHUNK.unpack_from(content, at)
        at += _CHUNK.size
        found.append((name, content[at : at + size]))
        at += size + size % 2
    return found


def _conversion(tag: int, num_bits: int) -> tuple[Encoding, Callable[[bytes], bytes]]:
    """How the samples are sent, and what is done to them for it. The upper 16 bits of an integer are enough for speech."""
    known: dict[tuple[int, int], tuple[str, Callable[[bytes], bytes]]] = {
        (PCM, 8): ("pcm_s16le", _from_8_bits),
        (PCM, 16): ("pcm_s16le", bytes),
        (PCM, 24): ("pcm_s16le", lambda samples: _upper_16_bits(samples, 3)),
        (PCM, 32): ("pcm_s16le", lambda samples: _upper_16_bits(samples, 4)),
        (FLOAT, 32): ("pcm_f32le", bytes),
        (FLOAT, 64): ("pcm_f32le", lambda samples: array("f", array("d", samples)).tobytes()),
        (A_LAW, 8): ("alaw", bytes),
        (MU_LAW, 8): ("mulaw", bytes),
    }
    if (tag, num_bits) not in known:
        raise UnusableFileError(f"The WAV file holds {num_bits}-bit samples of kind {tag}; expected PCM, float, A-law or mu-law.")
    encoding, convert = known[tag, num_bits]
    return cast(Encoding, encoding), convert


def _from_8_bits(samples: bytes) -> bytes:
    """Unsigned bytes as the upper halves of signed 16-bit samples."""
    wide = bytearray(2 * len(samples))
    wide[1::2] = samples.translate(_SIGN_FLIP)
    return bytes(wide)


def _upper_16_bits(samples: bytes, sample_bytes: int) -> bytes:
    narrow = bytearray(2 * (len(samples) // sample_bytes))
    narrow[0::2] = samples[sample_bytes - 2 :: sample_bytes]
    narrow[1::2] = samples[sample_bytes - 1 :: sample_bytes]
    return bytes(narrow)
