"""How texts are compared word by word: case, punctuation and width do not count. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Khmer, kana and Han."""


def words(text: str) -> list[str]:
    """Lower case, no punctuation; single characters where a script has no spaces, whatever else is in the text."""
    kept = "".join(letter if is_letter(letter) else " " for letter in _folded(text) if letter != "'")
    return UNSPACED.sub(r" \g<0> ", kept).split()


def letters_of(text: str) -> set[str]:
    """Letters and figures that are in it, and what combines with them; case and width do not count."""
    return {letter for letter in _folded(text) if is_letter(letter)}


def is_letter(letter: str) -> bool:
    """Or a figure, or what combines with one."""
    return unicodedata.category(letter)[0] in "LNM"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()


def word_error_rate(reference: str, text: str) -> float:
    """Wrong words for each word of `reference`."""
    expected = words(reference)
    return num_wrong(expected, words(text)) / max(1, len(expected))


def num_wrong(expected: Sequence[str], found: Sequence[str]) -> int:
    """Words of `found` that must be changed, added or taken away to make `expected` of it.

    Source: R. A. Wagner and M. J. Fischer, The String-to-String Correction Problem, 1974.
    """
    previous = list(range(len(found) + 1))
    for row, word in enumerate(expected, 1):
        current = [row]
        for column, other in enumerate(found, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (word != other)))
        previous = current
    return previous[-1]
