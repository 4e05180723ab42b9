"""Tokens and the frames that they were heard in, and the words that they make."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inference.decoding.decoded import Word
from inference.decoding.tokens import Tokens


@dataclass(slots=True)
class Span:
    """One token, heard in the frames [first_frame, end_frame). log_prob: natural, of the frame that was surest of it."""

    token: int
    first_frame: int
    end_frame: int
    log_prob: float


def words_of(spans: Sequence[Span], tokens: Tokens, frame_ms: int) -> tuple[Word, ...]:
    """The words that they make, with times in milliseconds from the first frame on; what says nothing is none."""
    words = (_word(spans[group], tokens, frame_ms) for group in tokens.groups([span.token for span in spans]))
    return tuple(word for word in words if word.text)


def confidence(spans: Sequence[Span]) -> float:
    """Geometric mean of the probabilities of the tokens; 0 where there are none."""
    return math.exp(math.fsum(span.log_prob for span in spans) / len(spans)) if spans else 0.0


def _word(spans: Sequence[Span], tokens: Tokens, frame_ms: int) -> Word:
    return Word(
        text=tokens.text(span.token for span in spans),
        start_ms=spans[0].first_frame * frame_ms,
        end_ms=spans[-1].end_frame * frame_ms,
        confidence=round(confidence(spans), 3),
    )
