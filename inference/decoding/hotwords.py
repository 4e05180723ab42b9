"""Names and rare words that a listener expects: what they add to the score of a text.

A phrase gains word by word as it is written. What a beginning gained is taken back when something else follows, so that a
phrase that was not said changes nothing that comes after.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

WORD_GAIN: Final = 3.0
"""What each word of a hotword adds where texts are made of words, natural logarithm."""


@dataclass(eq=False, slots=True)
class PhraseNode(Generic[Item]):
    """A beginning of phrases. `is_end`: it is a phrase itself."""

    is_end: bool = False
    after: dict[Item, "PhraseNode[Item]"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress(Generic[Item]):
    """How far a text is in a phrase. `owed`: what it gained since the last phrase that was whole."""

    node: PhraseNode[Item]
    owed: float = 0.0


class Phrases(Generic[Item]):
    """`gain_of`: what an item of a phrase adds, natural logarithm."""

    def __init__(self, phrases: Iterable[Sequence[Item]], gain_of: Callable[[Item], float]) -> None:
        self._gain_of: Final = gain_of
        self._root: Final[PhraseNode[Item]] = PhraseNode()
        for phrase in phrases:
            node = self._root
            for item in phrase:
                node = node.after.setdefault(item, PhraseNode())
            node.is_end = bool(phrase)
        self.start: Final = Progress(self._root)

    def advance(
        self, progress: Progress[Item], item: Item, *, begins: bool = True, ends: bool = True
    ) -> tuple[Progress[Item], float]:
        """Go on with `item`, and what that adds. begins: a phrase may begin with it. ends: a phrase may have ended before it."""
        owed = 0.0 if ends and progress.node.is_end else progress.owed
        node = progress.node.after.get(item) if begins or progress.node is not self._root else None
        if node is not None:
            gain = self._gain_of(item)
            return Progress(node, owed + gain), gain
        node = self._root.after.get(item) if begins else None
        if node is None:
            return self.start, -owed
        gain = self._gain_of(item)
        return Progress(node, gain), gain - owed

    def end(self, progress: Progress[Item]) -> float:
        """What the end of the text adds: what was only begun is taken back."""
        return 0.0 if progress.node.is_end else -progress.owed


def gain_of(_word: Hashable) -> float:
    return WORD_GAIN
