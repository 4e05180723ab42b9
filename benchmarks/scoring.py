"""Word and character error rates, with case, punctuation and spacing normalised."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CHARACTER_LANGUAGES: Final = frozenset({"zh", "ja"})
CHARACTER_KINDS: Final = frozenset({"digits", "spelling"})


def units(text: str, *, by_character: bool) -> list[str]:
    """What is compared: words, or characters."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    kept = "".join(character if _counts(character) else " " for character in plain)
    words = re.sub(r"(?<!\w)'|'(?!\w)", " ", kept).split()
    return list("".join(words)) if by_character else words


def _counts(character: str) -> bool:
    return character == "'" or unicodedata.category(character)[0] in {"L", "M", "N"}


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions (Levenshtein)."""
    row = list(range(len(hypothesis) + 1))
    for number, wanted in enumerate(reference, start=1):
        above, row[0] = row[0], number
        for column, found in enumerate(hypothesis, start=1):
            above, row[column] = row[column], min(above + (wanted != found), row[column] + 1, row[column - 1] + 1)
    return row[-1]


@dataclass(slots=True)
class ErrorRate:
    """Errors over reference units, summed over clips."""

    num_errors: int = 0
    num_units: int = 0

    def add(self, reference: Sequence[str], hypothesis: Sequence[str]) -> int:
        num_errors = edit_distance(reference, hypothesis)
        self.num_errors += num_errors
        self.num_units += len(reference)
        return num_errors

    @property
    def percent(self) -> float:
        return 100 * self.num_errors / max(1, self.num_units)
