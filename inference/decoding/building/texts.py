"""From text as people write it to lines of words as a model writes them."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, get_args

from inference.decoding.building.counts import END, START, UNKNOWN
from inference.errors import LanguageModelError
from inference.wording import UNSPACED

Writing = Literal["lower", "upper", "as_is"]
WRITINGS: Final[tuple[Writing, ...]] = get_args(Writing)
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|[\u3002\uff01\uff1f]")
RESERVED: Final = frozenset({START, END, UNKNOWN})


def read_lines(path: Path, writing: Writing = "lower") -> Iterator[list[str]]:
    """The sentences of a text file, a list of words each; empty ones are left out.

    Raises:
        LanguageModelError: it cannot be read as UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            yield from sentences(lines, writing)
    except (OSError, UnicodeDecodeError) as err:
        raise LanguageModelError(
            f"{path} cannot be read: {err}. Expected text in UTF-8, a sentence or paragraph a line."
        ) from err


def sentences(lines: Iterable[str], writing: Writing = "lower") -> Iterator[list[str]]:
    for line in lines:
        for sentence in [line] if writing == "as_is" else SENTENCE_END.split(line):
            words = words_of(sentence, writing)
            if words:
                yield words


def words_of(sentence: str, writing: Writing = "lower") -> list[str]:
    """`lower`, `upper`: in that case, without punctuation; single letters where a script has no spaces. `as_is`: what stands
    between spaces."""
    if writing == "as_is":
        return [word for word in sentence.split() if word not in RESERVED]
    folded = unicodedata.normalize("NFKC", sentence).replace("\u2019", "'")
    folded = folded.lower() if writing == "lower" else folded.upper()
    kept = "".join(letter if letter == "'" or unicodedata.category(letter)[0] in "LNM" else " " for letter in folded)
    words = (word.strip("'") for word in UNSPACED.sub(r" \g<0> ", kept).split())
    return [word for word in words if word]
