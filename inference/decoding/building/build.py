"""Builds a language model from texts: n-grams, lexicon and settings, in a folder of its own."""

import gzip
import logging
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from inference.decoding.artefact import LEXICON_FILE, SETTINGS_FILE, LmSettings, TextSource
from inference.decoding.building.arpa import write_arpa
from inference.decoding.building.counts import UNKNOWN, count
from inference.decoding.building.smoothing import estimate
from inference.errors import LanguageModelError

logger = logging.getLogger(__name__)

ARPA_FILE: Final = "lm.arpa.gz"
LMPLZ: Final = "lmplz"
MAX_ORDER: Final = 6

Line = Sequence[str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """order: words that the longest n-gram has. min_count: words that occur less often are left out of the lexicon. is_closed: no
    other words than those of the lexicon are ever written. prune_from: n-grams of at least this many words are left out where
    they occur only once; 0: none are. The rest goes into lm.json as it is."""

    order: int = 4
    min_count: int = 1
    is_closed: bool = True
    prune_from: int = 0
    lm_weight: float = 0.5
    word_score: float = 0.5
    beam_size: int = 16
    extra_words: tuple[str, ...] = field(default=())

    @property
    def min_counts(self) -> tuple[int, ...]:
        """Times that n-grams must occur, by length."""
        return tuple(2 if self.prune_from and length >= self.prune_from else 1 for length in range(1, self.order + 1))


def build(folder: Path, texts: Iterable[tuple[str, Iterable[Line]]], recipe: Recipe | None = None) -> LmSettings:
    """Write a language model into `folder`, over what is there. lm.json is written last: who looks for it finds all.

    texts: name and lines of words of each. A line may come up again and again, and weighs more then.

    Raises:
        LanguageModelError: there is no word in the texts, the order is out of range, or lmplz failed.
    """
    recipe = recipe or Recipe()
    if not 1 <= recipe.order <= MAX_ORDER:
        raise LanguageModelError(f"The order is {recipe.order}; expected 1 to {MAX_ORDER}.")
    lines, sources = _gathered(texts)
    words = lexicon(lines, recipe)
    settings = _encoded(recipe, len(words), sources)
    folder.mkdir(parents=True, exist_ok=True)
    _write_ngrams(_known_only(lines, set(words)), folder / ARPA_FILE, recipe)
    (folder / LEXICON_FILE).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    (folder / SETTINGS_FILE).write_bytes(settings)
    return msgspec.json.decode(settings, type=LmSettings)


def _encoded(recipe: Recipe, num_words: int, sources: tuple[TextSource, ...]) -> bytes:
    """lm.json.

    Raises:
        LanguageModelError: a number is out of range.
    """
    settings = LmSettings(
        order=recipe.order,
        num_words=num_words,
        lm_weight=recipe.lm_weight,
        word_score=recipe.word_score,
        beam_size=recipe.beam_size,
        is_closed=recipe.is_closed,
        built_from=sources,
    )
    encoded = msgspec.json.format(msgspec.json.encode(settings)) + b"\n"
    try:
        msgspec.json.decode(encoded, type=LmSettings)
    except msgspec.MsgspecError as err:
        raise LanguageModelError(f"This language model could not be read again: {err}.") from err
    return encoded


def lexicon(lines: Iterable[Line], recipe: Recipe) -> list[str]:
    """The words of the model, in alphabetical order.

    Raises:
        LanguageModelError: there are none.
    """
    number_of = Counter(word for line in lines for word in line)
    words = {word for word, number in number_of.items() if number >= recipe.min_count} | set(recipe.extra_words)
    if not words:
        raise LanguageModelError("The texts hold no word that occurs often enough; expected text in UTF-8, a sentence a line.")
    return sorted(words)


def _gathered(texts: Iterable[tuple[str, Iterable[Line]]]) -> tuple[list[Line], tuple[TextSource, ...]]:
    gathered: list[Line] = []
    sources = []
    for name, lines in texts:
        taken = [line for line in lines if line]
        gathered.extend(taken)
        sources.append(TextSource(name=name, num_lines=len(taken), num_words=sum(map(len, taken))))
    return gathered, tuple(sources)


def _known_only(lines: Iterable[Line], words: set[str]) -> list[Line]:
    return [[word if word in words else UNKNOWN for word in line] for line in lines]


def _write_ngrams(lines: Sequence[Line], path: Path, recipe: Recipe) -> None:
    """With KenLM's own tool where there is one: it is faster and needs no memory to speak of."""
    lmplz = shutil.which(LMPLZ)
    if lmplz is None or any(UNKNOWN in line for line in lines):  # lmplz refuses texts that hold <unk>
        write_arpa(estimate(count(lines, recipe.order), recipe.min_counts), path)
        return
    with TemporaryDirectory() as folder:
        arpa = Path(folder, "lm.arpa")
        _run_lmplz(lmplz, lines, arpa, recipe)
        with arpa.open("rb") as plain, gzip.open(path, "wb") as packed:
            shutil.copyfileobj(plain, packed)


def _run_lmplz(lmplz: str, lines: Iterable[Line], arpa: Path, recipe: Recipe) -> None:
    prune = [str(least - 1) for least in recipe.min_counts]
    command = [
        lmplz,
        "-o",
        str(recipe.order),
        "--discount_fallback",
        "--prune",
        *prune,
        "--arpa",
        str(arpa),
        "-T",
        str(arpa.parent),
    ]
    text = "".join(f"{' '.join(line)}\n" for line in lines)
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise LanguageModelError(f"{lmplz} failed with {done.returncode}: {done.stderr.decode(errors='replace')[-500:].strip()}")
    logger.info("built the n-grams with %s", lmplz)
