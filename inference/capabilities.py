"""What the engines of each kind can do with the wishes of a stream beyond hearing it. Both sides of the link ask."""

from collections.abc import Iterable
from typing import Final, Literal, get_args

from inference.wording import letters_of

Wish = Literal["language_model", "hotwords"]
WISHES: Final[tuple[Wish, ...]] = get_args(Wish)
USED_BY: Final[dict[str, frozenset[Wish]]] = {
    "whisper": frozenset({"hotwords"}),
    "conformer_ctc": frozenset({"hotwords", "language_model"}),
    "conformer_rnnt": frozenset(),
    "emformer_rnnt": frozenset(),
    "fake": frozenset({"hotwords", "language_model"}),
}
"""By `ModelInfo.engine`. The scripted engine takes them without complaint."""


def uses(engine: str, wish: Wish) -> bool:
    """Whether a model makes a difference of it; one of an engine that is not known here may."""
    return wish in USED_BY.get(engine, {wish})


def unwritable(hotwords: Iterable[str], letters: str) -> list[str]:
    """Those that a model does not listen for, because letters or figures in them are none of its own, in whatever case.

    Args:
        letters: `ModelInfo.letters`; empty: it writes any.
    """
    known = letters_of(letters)
    return [hotword for hotword in hotwords if known and not known.issuperset(letters_of(hotword))]
