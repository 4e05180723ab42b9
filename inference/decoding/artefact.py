"""A language model on disk: a folder with `lm.json`, `lexicon.txt` and the n-grams. docs/language-models.md describes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from inference.errors import LanguageModelError

SETTINGS_FILE: Final = "lm.json"
LEXICON_FILE: Final = "lexicon.txt"
NGRAM_FILES: Final = ("lm.bin", "lm.arpa", "lm.arpa.gz")
"""The first that is there is read."""
NO_WORDS: Final = frozenset({"<s>", "</s>", "<unk>"})
"""They stand for something else in n-grams; other tools list them with the words."""
NO_LANGUAGE_MODEL: Final = "none"
"""No language model has this name; who asks for it wants none, not even the model's own."""


class TextSource(Struct, frozen=True, kw_only=True):
    """One text that it was built from; `num_words` counts repetitions."""

    name: str
    num_lines: int
    num_words: int


class LmSettings(Struct, frozen=True, kw_only=True):
    """lm.json. `lm_weight` multiplies the natural logarithm of the n-grams' probability; `word_score` is added for each word;
    `unknown_score` for each word that is not in the lexicon, where `is_closed` is not set: then there are no such words.
    `beam_size`: texts that are kept at a time. `num_rescored`: texts of each pass that are weighed at the end of a segment; 0: no
    second pass.
    """

    order: Annotated[int, Meta(ge=1, le=6)]
    num_words: Annotated[int, Meta(ge=1)]
    lm_weight: Annotated[float, Meta(ge=0, le=10)] = 0.5
    word_score: Annotated[float, Meta(ge=-10, le=10)] = 0.5
    unknown_score: Annotated[float, Meta(ge=-100, le=0)] = -10.0
    beam_size: Annotated[int, Meta(ge=1, le=500)] = 16
    num_rescored: Annotated[int, Meta(ge=0, le=100)] = 8
    is_closed: bool = True
    built_from: tuple[TextSource, ...] = ()


@dataclass(frozen=True, slots=True)
class LmFiles:
    """What lies in the folder `path`, looked at and not loaded. `changed_ns`: when lm.json was written, which comes last."""

    path: Path
    settings: LmSettings
    ngrams: Path
    changed_ns: int

    @classmethod
    def in_folder(cls, path: Path) -> "LmFiles":
        """Raises:
        LanguageModelError: it is no language model; the message says what is missing or wrong.
        """
        settings = path / SETTINGS_FILE
        try:
            changed_ns = settings.stat().st_mtime_ns
            found = msgspec.json.decode(settings.read_bytes(), type=LmSettings)
        except OSError as err:
            raise LanguageModelError(
                f"{settings} cannot be read: {err.strerror}. Expected a folder that `manage.py lm build` made."
            ) from err
        except msgspec.MsgspecError as err:
            raise LanguageModelError(f"{settings} is wrong: {err}. Build the language model again.") from err
        ngrams = next((path / name for name in NGRAM_FILES if (path / name).is_file()), None)
        if ngrams is None or not (path / LEXICON_FILE).is_file():
            missing = LEXICON_FILE if ngrams is not None else " or ".join(NGRAM_FILES)
            raise LanguageModelError(f"{path} has no {missing}. Build the language model again.")
        return cls(path, found, ngrams, changed_ns)

    def words(self) -> list[str]:
        """The lexicon: a word a line.

        Raises:
            LanguageModelError: it cannot be read, or is empty, or a line holds anything else, or a word that was there before.
        """
        path = self.path / LEXICON_FILE
        try:
            words = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise LanguageModelError(f"{path} cannot be read: {err}. Expected one word a line, in UTF-8.") from err
        if (wrong := _wrong_with(words)) is not None:
            raise LanguageModelError(f"{path} holds {wrong}; expected one word a line, each once. Mend it, or build it again.")
        return words


def _wrong_with(words: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for number, word in enumerate(words, 1):
        if len(word.split()) != 1 or word in NO_WORDS:
            return f"{word!r} in line {number}, which is no word"
        if word in seen:
            return f"{word!r} once more in line {number}"
        seen.add(word)
    return None if words else "nothing"
