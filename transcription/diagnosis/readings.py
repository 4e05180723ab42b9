"""What bytes look like when they are read in different ways. Pure numpy.

Two signs tell encodings apart. The low byte of a 16-bit sample is far more random than its high byte, and those of 8-bit
samples are alike. And sound is smooth: from one sample to the next it changes little when they are read as they were written,
and like noise when they are not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.audio import SAMPLE_BYTES, decode_pcm
from inference.messages import Encoding

MAX_FLOAT: Final = 4.0
MIN_FLOAT: Final = 1e-20
LEAST_SCALED, MOST_SCALED = 1e-3, 2.0**24
ALL: Final = 0.99
MANY: Final = 0.5
FEW_WORDS: Final = 64
"""A window of 4096 samples of speech, read rightly or wrongly, has hundreds of different ones."""
FEW_BYTES: Final = 16
BYTE_ORDER_BITS: Final = 0.3
"""Least difference in entropy between low and high bytes. 16-bit audio shows 0.29 to 7 bits, the other order the same
negative, 8-bit audio -0.06 to 0.06."""
ALIKE: Final = 0.35
"""Most that the histograms of even and odd bytes differ (0 to 2): 0.31 in 8-bit audio; from 0.6 on in 16-bit audio."""
SMOOTH: Final = 1.0
"""Roughness of white noise is 2, of speech mostly 0.02 to 0.5."""
IDLE: Final = 1e-3
UPPER_HALF: Final = 0.3
"""The upper half of the double 1e-8, read as a float, is 0.55; samples of audio are mostly smaller."""
LAWS_APART: Final = 5.0
"""By how much rougher one law must be than the other, squared; 3.9 was seen for the right one."""


def roughness(audio: np.ndarray) -> float:
    """Energy of the differences between neighbours over that of the samples: 0 smooth, 2 white noise, 4 alternating."""
    energy = float(np.dot(audio, audio))
    if not energy:
        return 0.0
    steps = np.diff(audio)
    return float(np.dot(steps, steps)) / energy


def float_share(values: np.ndarray) -> float:
    """How many of the values that are not 0 are floats as audio has them; 0 where there is nothing but 0."""
    values = values[values != 0]
    sizes = np.abs(values)
    return float(((sizes < MAX_FLOAT) & (sizes > MIN_FLOAT)).mean()) if len(values) else 0.0


@dataclass(frozen=True, slots=True)
class ByteSigns:
    """order_bits: entropy of even bytes less that of odd ones. difference: of their histograms, 0 to 2."""

    order_bits: float
    difference: float

    @classmethod
    def of(cls, payload: bytes) -> "ByteSigns":
        codes = np.frombuffer(payload, np.uint8)
        even = np.bincount(codes[::2], minlength=256) * (2.0 / len(codes))
        odd = np.bincount(codes[1::2], minlength=256) * (2.0 / len(codes))
        return cls(_entropy(even) - _entropy(odd), float(np.abs(even - odd).sum()))

    @property
    def is_of_bytes(self) -> bool:
        return self.difference < ALIKE and abs(self.order_bits) < BYTE_ORDER_BITS / 2


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return -float(np.dot(shares, np.log2(shares)))


def largest_of_scaled(payload: bytes) -> float | None:
    """The largest of floats that look like integers that were never divided; None: they do not."""
    values = np.frombuffer(payload, "<f4")
    sizes = np.abs(values[values != 0])
    share = float(((sizes > LEAST_SCALED) & (sizes < MOST_SCALED)).mean()) if len(sizes) else 0.0
    return float(sizes.max()) if share >= ALL and sizes.max() > MAX_FLOAT else None


def integers(payload: bytes, numpy_type: str) -> np.ndarray:
    return np.frombuffer(payload, numpy_type).astype(np.float32)


def is_artificial(payload: bytes, encoding: Encoding) -> bool:
    """Whether `payload` holds a few values over and over, as tones of a machine do: nothing can be told of them.

    Sound from a microphone has many, and so has anything else that is read in a wrong way.
    """
    if SAMPLE_BYTES[encoding] == 1:
        return len(np.unique(np.frombuffer(payload, np.uint8))) <= FEW_BYTES
    return len(np.unique(np.frombuffer(payload, np.uint16))) <= FEW_WORDS


def is_plausible(payload: bytes, encoding: Encoding, num_channels: int) -> bool:
    """Whether `payload`, loud audio, shows no sign of another encoding."""
    signs = ByteSigns.of(payload)
    share = float_share(np.frombuffer(payload, "<f4"))
    if encoding == "pcm_s16le":
        return signs.order_bits > BYTE_ORDER_BITS / 2 and share < MANY and not _is_long(payload, is_idle_too=False)
    if encoding == "pcm_f32le":
        return share >= ALL and not _is_doubles(payload)
    return num_channels == 2 or (abs(signs.order_bits) < BYTE_ORDER_BITS and share < ALL)


def _is_doubles(payload: bytes) -> bool:
    """The upper half of a 64-bit float is a loud 32-bit one, however small the number."""
    upper = np.abs(np.frombuffer(payload, "<f4")[1::2])
    upper = upper[upper != 0]
    is_loud = len(upper) > 0 and float((upper > UPPER_HALF).mean()) >= ALL
    return is_loud and float_share(np.frombuffer(payload, "<f8")) >= ALL


def identify(payload: bytes, encoding: Encoding) -> str | None:
    """The encoding that `payload` looks like, other than `encoding`, as a key of findings.ENCODINGS; None: hard to say."""
    if _is_doubles(payload):
        return "f64"
    for name, numpy_type in (("f32", "<f4"), ("f32be", ">f4")):
        if float_share(np.frombuffer(payload, numpy_type)) >= ALL:
            return None if encoding == "pcm_f32le" and name == "f32" else name
    if _is_long(payload, is_idle_too=encoding == "pcm_f32le"):
        return "s32"
    signs = ByteSigns.of(payload)
    if signs.is_of_bytes:
        return None if encoding in {"mulaw", "alaw"} else _of_bytes(payload)
    return _of_words(payload, encoding, signs)


def _of_words(payload: bytes, encoding: Encoding, signs: ByteSigns) -> str | None:
    if signs.order_bits >= BYTE_ORDER_BITS:
        return None if encoding == "pcm_s16le" else "s16"
    if signs.order_bits > -BYTE_ORDER_BITS:
        return None
    # 8-bit sound in the upper half of 16 bits has idle low bytes too, but is smooth as it is.
    is_smoother = roughness(integers(payload, ">i2")) * 1.2 < roughness(integers(payload, "<i2"))
    return "s16be" if is_smoother or encoding != "pcm_s16le" else None


def _is_long(payload: bytes, *, is_idle_too: bool) -> bool:
    """32-bit integers: noise as loud as can be in the lower halves; or next to nothing, as in a silent channel."""
    halves = integers(payload, "<i2").reshape(-1, 2) / 32768.0
    low, high = halves[:, 0], halves[:, 1]
    if is_idle_too and float(low.std()) < IDLE < float(high.std()):
        return True
    return roughness(low) > 1.8 and float(low.std()) > max(0.4, 2 * float(high.std()))


def _of_bytes(payload: bytes) -> str | None:
    """Where silence lies among the codes tells unsigned integers from the two laws; the smoother law is the right one."""
    codes = np.frombuffer(payload, np.uint8)
    counts = np.bincount(codes, minlength=256)
    if counts[0x7C:0x84].sum() > max(counts[0xF0:].sum(), counts[0xD0:0xD8].sum()) and counts[0x80:0x84].any():
        return "u8" if roughness(codes.astype(np.float32) - 128.0) < SMOOTH else None
    laws: list[Encoding] = ["mulaw", "alaw"]
    name = min(laws, key=lambda law: law_roughness(payload, law))
    return name if roughness(decode_pcm(payload, name, 1)) < SMOOTH else None


def _ranks(law: Encoding) -> np.ndarray:
    """float32 (256,): the codes in the order of what they stand for, -1 to 1, which is how loud they sound."""
    values = decode_pcm(bytes(range(256)), law, 1)
    return (np.argsort(np.argsort(values, kind="stable")).astype(np.float32) - 127.5) / 128.0


_RANKS: Final = {"mulaw": _ranks("mulaw"), "alaw": _ranks("alaw")}


def is_other_law(payload: bytes, encoding: Encoding) -> bool:
    """Whether mu-law is far smoother as A-law, or the other way round."""
    return law_roughness(payload, encoding) > LAWS_APART * law_roughness(payload, "alaw" if encoding == "mulaw" else "mulaw") > 0


def law_roughness(payload: bytes, law: Encoding) -> float:
    """Of the sound as it is and as loud as it sounds, multiplied: both err, but seldom together."""
    return roughness(decode_pcm(payload, law, 1)) * roughness(_RANKS[law][np.frombuffer(payload, np.uint8)])
