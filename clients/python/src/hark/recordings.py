"""Recordings on disk or in memory, made ready for sending: bare samples where possible, else the file as it is.

Bare samples can be numbered and sent again, so only they survive a broken connection. WAV needs nothing; other files are
decoded here when the extra `files` (PyAV) is installed, and otherwise by the server.
"""

import io
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hark.options import SAMPLE_BYTES, AudioFormat, Container
from hark.wav import Samples, UnusableFileError, is_wav, read_wav

if TYPE_CHECKING:
    from collections.abc import Iterator

Decode = Literal["auto", "here", "server"]
DECODED_HZ = 16_000
_SIGNATURES: tuple[tuple[int, bytes, Container], ...] = (
    (0, b"RIFF", "wav"), (0, b"RF64", "wav"), (0, b"OggS", "ogg"), (0, b"fLaC", "flac"), (0, b"\x1aE\xdf\xa3", "webm"),
    (4, b"ftyp", "mp4"), (0, b"ID3", "mp3"), (0, b"\xff\xfb", "mp3"), (0, b"\xff\xf3", "mp3"), (0, b"\xff\xf2", "mp3"),
)  # fmt: skip


def load(recording: str | Path | bytes, *, decode: Decode = "auto", raw: AudioFormat | None = None) -> Samples:
    """What to send of a recording: `format.is_raw` says whether as samples or as a file.

    Args:
        recording: path or content. decode: "here" needs PyAV, "server" sends files other than plain WAV as they are, "auto"
            decodes here when PyAV is installed. raw: the content has no header; this is what it holds.

    Raises:
        OSError: the file cannot be read. UnusableFileError: it is none, or cannot be decoded; says what to do.
    """
    content = recording if isinstance(recording, bytes) else Path(recording).read_bytes()
    if raw is not None:
        return Samples(raw, content[: len(content) - len(content) % raw.frame_bytes])
    if is_wav(content) and (samples := _plain_wav(content, decode)) is not None:
        return samples
    if decode == "here" or (decode == "auto" and find_spec("av") is not None):
        return Samples(AudioFormat(sample_rate_hz=DECODED_HZ), decoded(content))
    return Samples(AudioFormat(encoding=container_of(content)), content)


def _plain_wav(content: bytes, decode: Decode) -> Samples | None:
    """Its samples; None when they are of a kind that only a decoder takes (96 kHz, surround, ADPCM)."""
    try:
        return read_wav(content)
    except UnusableFileError:
        if decode == "auto" and find_spec("av") is None:
            raise
        return None


def container_of(content: bytes) -> Container:
    """Raises UnusableFileError: the bytes begin like no file that we know."""
    for at, signature, name in _SIGNATURES:
        if content[at : at + len(signature)] == signature:
            return name
    raise UnusableFileError(
        "This is no WAV, FLAC, Ogg, WebM, MP3 or MP4 file. Bare samples need their format: --raw, or raw=AudioFormat(…)."
    )


def decoded(content: bytes) -> bytes:
    """Any file's first audio track as 16-bit mono samples at DECODED_HZ.

    Raises:
        UnusableFileError: PyAV is not installed, or cannot make sense of the file.
    """
    try:
        import av
    except ImportError as err:
        raise UnusableFileError("Decoding here needs PyAV: pip install 'hark-client[files]'.") from err
    try:
        with av.open(io.BytesIO(content)) as container:
            if not container.streams.audio:
                raise UnusableFileError("The file has no audio track.")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=DECODED_HZ)
            return b"".join(_samples_of(container, resampler))
    except av.FFmpegError as err:
        raise UnusableFileError(f"The file cannot be decoded: {err}") from err


def _samples_of(container: Any, resampler: Any) -> "Iterator[bytes]":
    """Piece by piece; the resampler's last samples come out when it is given None. Without numpy, which PyAV does not bring."""
    for frame in chain(container.decode(audio=0), [None]):
        for resampled in resampler.resample(frame):
            yield bytes(resampled.planes[0])[: resampled.samples * SAMPLE_BYTES["pcm_s16le"]]  # a plane may be longer
