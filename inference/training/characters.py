"""Between texts and the characters that a model of ours writes: lower-case letters, the apostrophe and the start of a word."""

import re
import string
from typing import Final

from inference.training.errors import CorpusError

WORD_START: Final = "▁"
CHARACTERS: Final = (WORD_START, "'", *string.ascii_lowercase)
_INDEX: Final = {character: index for index, character in enumerate(CHARACTERS)}


def normalised(text: str) -> str:
    """Lower case, hyphens and dashes as blanks, other punctuation gone but for apostrophes.

    Raises:
        CorpusError: nothing is left, or something that is no letter: figures have to be written out.
    """
    words = re.sub(r"[^\w' ]", "", re.sub(r"[-\u2013\u2014\s]+", " ", text.lower().replace("\u2019", "'"))).split()
    plain = " ".join(words)
    if not plain.strip("' "):
        raise CorpusError(f"{text!r} holds no word; expected what is said. Leave out utterances without speech.")
    strange = sorted(set(plain) - set(CHARACTERS) - {" "})
    if strange:
        raise CorpusError(f"{text!r} has {strange}; expected English letters only: write figures and signs as words.")
    return plain


def word_tokens(word: str) -> list[int]:
    """The start of a word and its letters."""
    return [_INDEX[WORD_START], *(_INDEX[character] for character in word)]


def tokens_of(text: str) -> list[int]:
    return [token for word in text.split() for token in word_tokens(word)]
