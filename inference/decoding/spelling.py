"""Which pieces a word is written with: what turns a lexicon of words into one of tokens."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from inference.decoding.tokens import BYTE_PIECE, SILENT_PIECE, WORD_START, Tokens
from inference.wording import is_letter

MAX_SPELLED: Final = 200_000
"""Spellings that are remembered; a lexicon is spelled once."""
IMPOSSIBLE: Final = -1e9
APOSTROPHE: Final = "'"


class Speller:
    """`space`: the token that stands between words and in none; None where words begin with pieces of their own."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens: Final = tokens
        has_starts = any(len(piece) > 1 and piece.startswith(WORD_START) for piece in tokens.pieces)
        self.space: Final = None if has_starts else tokens.by_piece.get(WORD_START, tokens.by_piece.get(" "))
        self._start: Final = WORD_START if has_starts else ""
        self._max_letters: Final = max(map(len, tokens.pieces))
        letters = "".join(piece for piece in tokens.pieces if not (SILENT_PIECE.fullmatch(piece) or BYTE_PIECE.fullmatch(piece)))
        self._letters: Final = frozenset(letters)
        self._is_lower: Final = letters.lower() == letters
        self._is_upper: Final = letters.upper() == letters and not self._is_lower
        self.spell = lru_cache(MAX_SPELLED)(self._spell)

    def folded(self, text: str) -> str:
        """In the case that the model writes, where it knows only one."""
        return text.lower() if self._is_lower else text.upper() if self._is_upper else text

    def words(self, hotword: str) -> list[str]:
        """As the model writes them: in its case, and without marks that it has no tokens for."""
        return [part for word in self.folded(hotword).split() for part in ([word] if self.spell(word) else self._writable(word))]

    def phrase(self, words: Iterable[str]) -> tuple[int, ...] | None:
        """The tokens of words, with what stands between them; None: one of them cannot be written."""
        found: list[int] = []
        for word in words:
            spelled = self.spell(word)
            if spelled is None:
                return None
            if found and self.space is not None:
                found.append(self.space)
            found.extend(spelled)
        return tuple(found)

    def _writable(self, word: str) -> list[str]:
        """What is left of a word with marks that the model does not write. Letters stay, whether it writes them or not."""
        plain = self.folded(unicodedata.normalize("NFKC", word)).replace("\u2019", APOSTROPHE)
        kept = plain if APOSTROPHE in self._letters else plain.replace(APOSTROPHE, "")
        return "".join(letter if letter in self._letters or is_letter(letter) else " " for letter in kept).split()

    def _spell(self, word: str) -> tuple[int, ...] | None:
        """Tokens of the likeliest way to write it, by the pieces' scores; the fewest pieces where they have none. None: there is
        no way, not even in the case that the model knows."""
        return self._pieced(word) or (self._pieced(self.folded(word)) if self.folded(word) != word else None)

    def _pieced(self, word: str) -> tuple[int, ...] | None:
        if not word:
            return None
        text = self._start + word
        if self.tokens.scores is not None and self.tokens.merges:
            return self._merged(text)
        best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for end in range(1, len(text) + 1):
            options = [
                (best[first][0] + self._score(token), (*best[first][1], token))
                for first in range(max(0, end - self._max_letters), end)
                if (token := self.tokens.by_piece.get(text[first:end])) is not None
            ]
            best.append(max(options, default=(IMPOSSIBLE, ()), key=lambda option: option[0]))
        return best[-1][1] if best[-1][0] > IMPOSSIBLE / 2 else None

    def _score(self, token: int) -> float:
        return -1.0 if self.tokens.scores is None else self.tokens.scores[token]

    def _merged(self, text: str) -> tuple[int, ...] | None:
        """As byte pair encoding does it: the pair of the highest score becomes one piece, again and again."""
        pieces = list(text)
        while True:
            places = [place for place in range(len(pieces) - 1) if pieces[place] + pieces[place + 1] in self.tokens.by_piece]
            if not places:
                break
            place = max(places, key=lambda place: self._score(self.tokens.by_piece[pieces[place] + pieces[place + 1]]))
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        ids = tuple(self.tokens.by_piece.get(piece, -1) for piece in pieces)
        return None if -1 in ids or not ids else ids
