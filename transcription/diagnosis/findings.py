"""What a diagnosis can say: codes, and sentences that name what came, what was said, and what to do."""

from dataclasses import dataclass
from typing import Final

from inference.messages import Encoding


@dataclass(frozen=True, slots=True)
class Declared:
    """What the client says that it sends."""

    encoding: Encoding
    sample_rate_hz: int
    num_channels: int

    def __str__(self) -> str:
        return f"{self.encoding} at {self.sample_rate_hz} Hz with {self.num_channels} channel(s)"


@dataclass(frozen=True, slots=True)
class Finding:
    """is_fatal: it is certain, and what came would only give garbage. skip_bytes: how much of the payload is no audio."""

    code: str
    message: str
    is_fatal: bool
    skip_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """How a reading is told of: what it is, and what the client should do."""

    what: str
    advice: str


ENCODINGS: Final = {
    "f32": Look("32-bit floats", "Say encoding pcm_f32le in start."),
    "f64": Look("64-bit floats", "Send 32-bit floats (encoding pcm_f32le) or 16-bit integers."),
    "f32be": Look("big-endian 32-bit floats", "Send little-endian ones."),
    "s16": Look("16-bit integers", "Say encoding pcm_s16le in start."),
    "s16be": Look("big-endian 16-bit integers", "Send little-endian ones (encoding pcm_s16le)."),
    "s32": Look("32-bit integers", "Send 16-bit integers (encoding pcm_s16le)."),
    "u8": Look("unsigned 8-bit integers", "Send 16-bit integers (encoding pcm_s16le)."),
    "mulaw": Look("8-bit mu-law", "Say encoding mulaw and the right sample_rate, mostly 8000, in start."),
    "alaw": Look("8-bit A-law", "Say encoding alaw and the right sample_rate, mostly 8000, in start."),
}
FINDING_CODES: Final = frozenset(
    {f"looks_like_{name}" for name in ENCODINGS}
    | {
        "clipped_audio",
        "float_out_of_range",
        "looks_like_mono",
        "looks_like_other_rate",
        "looks_like_stereo",
        "looks_like_text",
        "silent_audio",
        "unsupported_encoding",
        "wav_header",
        "wav_header_differs",
    }
)


def wrong_encoding(name: str, declared: Declared) -> Finding:
    look = ENCODINGS[name]
    return Finding(
        f"looks_like_{name}", f"The audio was taken for {declared}, but looks like {look.what}. {look.advice}", is_fatal=True
    )


def other_law(name: str, declared: Declared) -> Finding:
    """Not certain enough to end a session."""
    look = ENCODINGS[name]
    return Finding(
        f"looks_like_{name}",
        f"The audio is taken for {declared}, but sounds more like {look.what}. {look.advice}",
        is_fatal=False,
    )


def float_out_of_range(largest: float) -> Finding:
    return Finding(
        "float_out_of_range",
        f"Floats in [-1, 1] were expected; values up to {largest:.6g} came. Divide integers by 32768, or send them as pcm_s16le.",
        is_fatal=True,
    )


def no_floats() -> Finding:
    return Finding(
        "float_out_of_range",
        "Floats in [-1, 1] were expected; what came are no floats at all. Say the right encoding in start.",
        is_fatal=True,
    )


def stereo(declared: Declared) -> Finding:
    return Finding(
        "looks_like_stereo",
        f"The audio is taken for {declared}, but every two samples in a row belong together, as in two interleaved channels. "
        "Say channels 2 in start, or send one channel of 16-bit samples.",
        is_fatal=False,
    )


def mono(declared: Declared) -> Finding:
    return Finding(
        "looks_like_mono",
        f"The audio is taken for {declared}, but looks like one channel heard at double speed. Say channels 1 in start.",
        is_fatal=False,
    )


def other_rate(rate_hz: int, declared: Declared, speed: float) -> Finding:
    return Finding(
        "looks_like_other_rate",
        f"The audio is taken for {declared}, but it comes at {speed:.2f} times the pace of speech, as {rate_hz} Hz would. "
        "Say the right sample_rate in start; if you play a file at another pace on purpose, all is well.",
        is_fatal=False,
    )


def text() -> Finding:
    return Finding(
        "looks_like_text",
        "A binary message came that holds text. Send audio as bare bytes, not as base64 or JSON, and JSON as text messages.",
        is_fatal=True,
    )


def silent(duration_s: float) -> Finding:
    return Finding(
        "silent_audio",
        f"The first {duration_s:.1f} s hold nothing but digital silence. Is the microphone muted, or the wrong one chosen?",
        is_fatal=False,
    )


def clipped(percent: float) -> Finding:
    return Finding(
        "clipped_audio",
        f"{percent:.0f} % of the samples are as loud as can be: the audio is clipped. Turn the recording level down.",
        is_fatal=False,
    )


def container(name: str, kind: str) -> Finding:
    return Finding(
        "unsupported_encoding",
        f"The audio begins like {name}, and bare samples were announced. Say encoding {kind} in start, or leave encoding out.",
        is_fatal=True,
    )


def wav_header(declared: Declared, num_bytes: int) -> Finding:
    return Finding(
        "wav_header",
        f"The audio begins with the header of a WAV file, which was passed over. It says {declared}, as start does.",
        is_fatal=False,
        skip_bytes=num_bytes,
    )


def wav_header_differs(described: str, declared: Declared) -> Finding:
    return Finding(
        "wav_header_differs",
        f"The audio begins with the header of a WAV file: {described}; start says {declared}. Say encoding wav in start.",
        is_fatal=True,
    )


def wav_header_unreadable(reason: str) -> Finding:
    return Finding(
        "wav_header_differs",
        f"The audio begins with the header of a WAV file. {reason} Say encoding wav in start.",
        is_fatal=True,
    )
