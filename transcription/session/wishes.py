"""Which of a client's wishes the model that serves it makes no use of, and how it is told. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from inference.capabilities import Wish, unwritable, uses
from inference.decoding.artefact import NO_LANGUAGE_MODEL
from inference.messages import ModelInfo
from transcription.protocol import Start

MAX_SHOWN: Final = 5
"""Hotwords that a sentence names."""
MAX_LETTERS: Final = 60
"""That a sentence lists: those of an alphabet, not of Chinese."""


def without_effect(start: Start, wishes: Iterable[Wish], info: ModelInfo | None, former: ModelInfo | None) -> Iterator[str]:
    """A sentence for each of `wishes` that is lost, wholly or in part; none for what was lost with the model before as well.

    Args:
        info, former: the model that serves now, and the one before; None: not known here, so nothing is said of it.
    """
    for wish in wishes:
        lost = _lost(start, wish, info)
        if info is not None and lost and lost != _lost(start, wish, former):
            yield _sentence(wish, lost, info)


def _lost(start: Start, wish: Wish, info: ModelInfo | None) -> list[str]:
    asked = _asked(start, wish)
    if info is None:
        return []
    if not uses(info.engine, wish):
        return asked
    return unwritable(asked, info.letters) if wish == "hotwords" else []


def _asked(start: Start, wish: Wish) -> list[str]:
    if wish == "hotwords":
        return list(start.hotwords)
    return [start.language_model] if start.language_model and start.language_model != NO_LANGUAGE_MODEL else []


def _sentence(wish: Wish, lost: Sequence[str], info: ModelInfo) -> str:
    if uses(info.engine, wish):
        return _unwritable(lost, info)
    asked = f"language_model is {lost[0]!r}" if wish == "language_model" else f"hotwords has {len(lost)} entries"
    return f"{asked}, but {info.name} makes no use of that. Choose a model that does, or leave it out."


def _unwritable(lost: Sequence[str], info: ModelInfo) -> str:
    more = f" and {len(lost) - MAX_SHOWN} more" if len(lost) > MAX_SHOWN else ""
    letters = f"only {info.letters}" if len(info.letters) <= MAX_LETTERS else "no such letters"
    return (
        f"hotwords holds {', '.join(map(repr, lost[:MAX_SHOWN]))}{more}, but {info.name} writes {letters}, so it does not listen "
        "for them. Spell them as they are said, with letters that it has."
    )
