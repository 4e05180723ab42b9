"""What the measurements of one model say when they are compared, and which precision to take: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from inference.bench.measure import Measurement
from inference.bench.options import REFERENCE
from inference.tuning import MeasuredPrecision

CHARACTERS: Final = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_぀-ヿ㐀-鿿]+(?:['’][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """Without case and punctuation; Chinese characters and Japanese ones are a word each."""
    return CHARACTERS.findall(text.casefold())


def num_different(reference: str, text: str) -> int:
    """How many words of `reference` have another in their place, are missing, or have one too many beside them."""
    matcher = SequenceMatcher(None, words_of(reference), words_of(text), autojunk=False)
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in matcher.get_opcodes() if kind != "equal")


def num_wrong(spoken: str, text: str) -> int:
    """Fewest words to put in, leave out or replace in `text` until it is what was said (Levenshtein)."""
    said, heard = words_of(spoken), words_of(text)
    row = list(range(len(heard) + 1))
    for number, wanted in enumerate(said, start=1):
        above, row[0] = row[0], number
        for column, found in enumerate(heard, start=1):
            above, row[column] = row[column], min(above + (wanted != found), row[column] + 1, row[column - 1] + 1)
    return row[-1]


@dataclass(frozen=True, slots=True)
class Row:
    """One precision beside REFERENCE. `speedup`: speech for the same CPU time, REFERENCE is 1. num_wrong, num_spoken: words of
    the recordings of which it is known what is said in them.
    """

    precision: MeasuredPrecision
    measured: Measurement
    speedup: float
    num_different: int
    num_words: int
    num_wrong: int = 0
    num_spoken: int = 0

    @property
    def different_percent(self) -> float:
        return 100 * self.num_different / max(1, self.num_words)

    @property
    def wer_percent(self) -> float | None:
        """None where nobody knows what was said."""
        return 100 * self.num_wrong / self.num_spoken if self.num_spoken else None


def compared(measurements: Mapping[MeasuredPrecision, Measurement]) -> list[Row]:
    """A row for each; REFERENCE is among them."""
    reference = measurements[REFERENCE]
    num_words = sum(len(words_of(text)) for text in reference.texts.values())
    return [
        Row(
            precision=precision,
            measured=measured,
            speedup=measured.streams_per_core / reference.streams_per_core,
            num_different=sum(num_different(text, measured.texts[name]) for name, text in reference.texts.items()),
            num_words=num_words,
            num_wrong=sum(num_wrong(spoken, measured.texts[name]) for name, spoken in measured.spoken.items()),
            num_spoken=sum(len(words_of(spoken)) for spoken in measured.spoken.values()),
        )
        for precision, measured in measurements.items()
    ]


def pick(rows: list[Row], max_different_percent: float) -> Row:
    """The one that carries most streams, of those whose words are those of REFERENCE but for the share that is allowed."""
    allowed = [row for row in rows if row.different_percent <= max_different_percent]
    return max(allowed, key=lambda row: row.measured.streams_per_core)
