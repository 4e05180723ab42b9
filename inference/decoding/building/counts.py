"""How often each row of words occurs in a text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

START: Final = "<s>"
END: Final = "</s>"
UNKNOWN: Final = "<unk>"

Ngram = tuple[str, ...]
Counts = list[Counter[Ngram]]
"""By length, from one word on."""


def count(lines: Iterable[Sequence[str]], order: int) -> Counts:
    """Raw counts of all rows of up to `order` words; each line stands between a START and an END. START alone is not counted:
    nothing ever predicts it."""
    counts: Counts = [Counter() for _ in range(order)]
    for line in lines:
        words = (START, *line, END)
        for length in range(1, order + 1):
            counts[length - 1].update(words[place : place + length] for place in range(len(words) - length + 1))
    del counts[0][START,]
    return counts


def adjusted(counts: Counts) -> Counts:
    """Counts as Kneser and Ney want them: of a row shorter than the longest, how many different words come before it; of a row
    that begins a line, how often it occurs."""
    return [*(_continued(shorter, longer) for shorter, longer in zip(counts, counts[1:], strict=False)), counts[-1]]


def _continued(shorter: Counter[Ngram], longer: Counter[Ngram]) -> Counter[Ngram]:
    continued = Counter({ngram: number for ngram, number in shorter.items() if ngram[0] == START})
    continued.update(ngram[1:] for ngram in longer)
    return continued
