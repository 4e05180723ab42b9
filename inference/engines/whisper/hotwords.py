"""Names and rare words that a listener expects: a bonus for their tokens while text is written.

The words are kept as a tree of tokens. Where a new word may begin, the first tokens of all hotwords gain a little; within
a hotword that has been begun, its next token gains more. Nothing is put before the text, so there is nothing that the
decoder could repeat; why not a prompt: docs/decisions/0009-hotwords.md. Log probabilities that are reported stay the
model's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

START_BONUS = 2.0
INSIDE_BONUS = 5.0
"""Natural logarithms; measured in docs/decisions/0009-hotwords.md."""

UNSPACED = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u3040", "\u30ff"), ("\u3400", "\u9fff"))
"""Thai and Lao, Burmese, kana, Han characters."""

Encode = Callable[[str], list[int]]


@dataclass(slots=True)
class Node:
    """A beginning of hotwords: by next token, what comes after it."""

    after: dict[int, "Node"] = field(default_factory=dict)


def spellings(word: str) -> list[str]:
    """How a hotword may stand in a text: as given and with a capital, after a space; without one where writing has none."""
    clean = " ".join(word.split())
    if is_written_without_spaces(clean):
        return [clean]
    return [f" {spelling}" for spelling in dict.fromkeys((clean, clean[:1].upper() + clean[1:]))]


def is_written_without_spaces(word: str) -> bool:
    """Whether it begins with a character of a script that puts no spaces between words."""
    return any(first <= word[:1] <= last for first, last in UNSPACED)


class Hotwords:
    """One list, ready to be looked for. Immutable; belongs to one stream.

    Args:
        encode: text → tokens.
    """

    def __init__(self, words: Sequence[str], encode: Encode) -> None:
        self.words = sorted({" ".join(word.casefold().split()) for word in words}, key=len, reverse=True)
        self.root = Node()
        self.depth = 0
        for spelling in (spelling for word in words for spelling in spellings(word)):
            self._add(encode(spelling))

    def _add(self, tokens: Sequence[int]) -> None:
        node = self.root
        for token in tokens:
            node = node.after.setdefault(token, Node())
        self.depth = max(self.depth, len(tokens))

    def bonuses(self, written: Sequence[int]) -> dict[int, float]:
        """By token, what it gains after `written`."""
        gains = dict.fromkeys(self.root.after, START_BONUS)
        for first in range(max(0, len(written) - self.depth + 1), len(written)):
            node = self._reached(written[first:])
            if node is not None:
                gains.update(dict.fromkeys(node.after, INSIDE_BONUS))
        return gains

    def _reached(self, tokens: Sequence[int]) -> Node | None:
        node: Node | None = self.root
        for token in tokens:
            node = node.after.get(token) if node is not None else None
        return node

    def choose(self, logits: Tensor, written: Sequence[int]) -> int:
        """The likeliest token, bonuses included (`Chooser` of `decoding.py`)."""
        gains = self.bonuses(written)
        candidates = [int(logits.argmax()), *gains]
        scores = dict(zip(candidates, logits[candidates].tolist(), strict=True))
        return max(scores, key=lambda token: scores[token] + gains.get(token, 0.0))

    def are_all_of(self, text: str) -> bool:
        """Whether `text` says nothing but hotwords."""
        rest = text.casefold()
        for word in self.words:
            rest = rest.replace(word, "")
        return not any(map(str.isalnum, rest))
