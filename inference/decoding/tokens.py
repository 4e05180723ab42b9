"""The pieces of text that a CTC or transducer model writes, and what a row of them says."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from inference.errors import WeightsError
from inference.wording import UNSPACED, letters_of

WORD_START: Final = "\u2581"
"""SentencePiece's mark: a space stands before what follows."""
BYTE_PIECE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SILENT_PIECE: Final = re.compile(r"<(?!0x[0-9A-Fa-f]{2}>)[^<>\s]+>")
"""`<unk>`, `</s>`, `<EOU>`, `<en-US>`: it stands for no text."""


class Tokens:
    """`pieces`: by token. `▁` in a piece is a space, or stands for the start of a word; the blank of CTC comes after the last
    piece and is none itself. scores: what SentencePiece goes by when it chooses pieces, by token; `merges`: as byte pair encoding
    uses them, not as unigrams."""

    def __init__(self, pieces: Sequence[str], scores: Sequence[float] | None = None, *, merges: bool = False) -> None:
        self.pieces: Final = tuple(pieces)
        self.scores: Final = None if scores is None else tuple(scores)
        self.merges: Final = merges
        self.blank: Final = len(self.pieces)
        self.by_piece: Final = {piece: token for token, piece in enumerate(self.pieces)}
        self._texts: Final = tuple(_text_of(piece) for piece in self.pieces)
        self._starts: Final = tuple(_starts_word(text) for text in self._texts)

    def __len__(self) -> int:
        """Pieces, without the blank: a model has one output more."""
        return len(self.pieces)

    @classmethod
    def from_file(cls, path: Path) -> "Tokens":
        """One piece a line, the blank not among them.

        Raises:
            WeightsError: it cannot be read, or no piece is in it, or one twice, or an empty one.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as err:
            raise WeightsError(f"{path} cannot be read: {err}. Expected one piece of text a line, in UTF-8.") from err
        pieces = [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
        twice = next((piece for piece, number in Counter(pieces).items() if number > 1), None)
        if not pieces or twice is not None or "" in pieces:
            found = "nothing" if not pieces else f"{twice!r} more than once" if twice else "an empty line"
            raise WeightsError(f"{path} holds {found}; expected one piece of text a line, each once, without the blank.")
        return cls(pieces)

    def letters(self) -> str:
        """Letters and figures that pieces are written with, in small; what is written byte by byte is not known here."""
        return "".join(sorted(letters_of("".join(self._texts))))

    def text(self, ids: Iterable[int]) -> str:
        """What they say: words with single spaces between, none at the ends. Blanks say nothing."""
        return " ".join(self._joined(token for token in ids if token != self.blank).split())

    def is_space(self, token: int) -> bool:
        return token != self.blank and self._texts[token] == " "

    def groups(self, ids: Sequence[int]) -> list[slice]:
        """Where the words lie in `ids`, spaces of their own not among them. In scripts without spaces each letter is a word."""
        groups: list[slice] = []
        start = 0
        for place, token in enumerate(ids):
            if place > start and self._begins(ids, place):
                groups.append(slice(start, place))
                start = place
            if self.is_space(token):
                start = place + 1
        if start < len(ids):
            groups.append(slice(start, len(ids)))
        return groups

    def num_complete(self, ids: Sequence[int]) -> int:
        """How many of `groups` nothing can be added to any more."""
        num_groups = len(self.groups(ids))
        return num_groups if not ids or self.is_space(ids[-1]) else num_groups - 1

    def _begins(self, ids: Sequence[int], place: int) -> bool:
        """Whether a new word begins with the token there; marks belong to the word before them."""
        before, text = self._texts[ids[place - 1]], self._texts[ids[place]]
        return self._starts[ids[place]] or (UNSPACED.match(before[-1:]) is not None and text[:1].isalnum())

    def _joined(self, ids: Iterable[int]) -> str:
        runs = groupby(ids, key=lambda token: BYTE_PIECE.fullmatch(self.pieces[token]) is not None)
        return "".join(
            self._bytes_text(run) if has_bytes else "".join(self._texts[token] for token in run) for has_bytes, run in runs
        )

    def _bytes_text(self, ids: Iterable[int]) -> str:
        """Letters that have no piece of their own are written byte by byte, in UTF-8."""
        return bytes(int(self.pieces[token][3:5], 16) for token in ids).decode(errors="replace")


def _text_of(piece: str) -> str:
    return "" if SILENT_PIECE.fullmatch(piece) or BYTE_PIECE.fullmatch(piece) else piece.replace(WORD_START, " ")


def _starts_word(text: str) -> bool:
    return text.startswith(" ") or UNSPACED.match(text) is not None
