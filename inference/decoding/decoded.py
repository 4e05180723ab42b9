"""What decoding says: text, how much of it stands, and its words with times. Below the engines, which hand it on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """Times count from the start of the window."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one segment says so far. `stable` is the leading part of `text` that later partials of the segment will keep.
    `words` only of a segment that is over. `confidence`: from 0 to 1, the geometric mean over the tokens of `text`."""

    text: str
    stable: str
    confidence: float
    words: tuple[Word, ...] = ()


NOTHING = Decoded("", "", 0.0)
