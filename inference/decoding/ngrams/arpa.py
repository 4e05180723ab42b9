"""The ARPA form of n-grams, which every tool for language models writes, read into arrays."""

import gzip
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from inference.decoding.ngrams.tables import UNKNOWN, Level, Ngrams
from inference.errors import LanguageModelError

MAX_LENGTH: Final = 6
"""KenLM was compiled for no more."""
NEVER: Final = -100.0
"""Of the unknown word, where the file has none, and of what is rarer still; minus infinity among them."""
MAX_BACKOFF: Final = 1000.0
"""Beyond it is no logarithm of anything."""
GZIPPED: Final = b"\x1f\x8b"


def read_arpa(path: Path) -> Ngrams:
    """Blocks: a second for each 300 000 n-grams. Other threads get their turns.

    Raises:
        LanguageModelError: it is damaged; the message says where.
    """
    try:
        with _opened(path) as file:
            return _read(line for line in file if not line.isspace())
    except (OSError, EOFError, zlib.error, ValueError) as err:
        raise LanguageModelError(f"{path} is no ARPA file as expected: {err}. Build the language model again.") from err


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    with path.open("rb") as file:
        is_packed = file.read(len(GZIPPED)) == GZIPPED
    return gzip.open(path) if is_packed else path.open("rb")


def _read(lines: Iterator[bytes]) -> Ngrams:
    counts = _counts(lines)
    numbers = {UNKNOWN: 0, b"<UNK>": 0}
    levels = [_single(lines, counts[0], numbers)]
    if len(counts) == 1 and levels[0].backoffs.any():
        raise ValueError("a 1-gram has a backoff, and none is longer")
    for length, count in enumerate(counts[1:], 2):
        _expect(lines, b"\\%d-grams:" % length)
        levels.append(_level(lines, length, count, numbers, is_longest=length == len(counts)))
    _expect(lines, b"\\end\\")
    del numbers[b"<UNK>"]
    return Ngrams(tuple(numbers), tuple(levels))


def _counts(lines: Iterator[bytes]) -> list[int]:
    """How many there are of each length; the heading of single words is read too."""
    _expect(lines, b"\\data\\")
    counts: list[int] = []
    for line in lines:
        if line.strip() == b"\\1-grams:" and counts:
            return counts
        name, sign, number = line.partition(b"=")
        if name.split() != [b"ngram", b"%d" % (len(counts) + 1)] or not sign or len(counts) == MAX_LENGTH:
            raise ValueError(f"{_shown(line)} came where the number of {len(counts) + 1}-grams was expected")
        counts.append(int(number))
    raise ValueError("it ends before the first n-gram")


def _single(lines: Iterator[bytes], count: int, numbers: dict[bytes, int]) -> Level:
    """Single words; each gets its number."""
    weights = {0: (NEVER, 0.0)}
    for _ in range(count):
        log_prob, (word,), backoff = _entry(next(lines, b""), 1)
        number = numbers.setdefault(word, len(numbers) - 1)
        if number in weights and number:
            raise ValueError(f"{_shown(word)} comes up twice among the single words")
        weights[number] = log_prob, backoff
    if missing := {b"<s>", b"</s>"} - numbers.keys():
        raise ValueError(f"it lacks {' and '.join(sorted(word.decode() for word in missing))}, where lines begin and end")
    log_probs, backoffs = np.array([weights[number] for number in range(len(weights))], np.float32).T.copy()
    return Level(np.arange(len(weights), dtype=np.uint32)[:, None], log_probs, backoffs)


def _level(lines: Iterator[bytes], length: int, count: int, numbers: dict[bytes, int], *, is_longest: bool) -> Level:
    words, log_probs, backoffs = array("I"), array("f"), array("f")
    for _ in range(count):
        log_prob, spoken, backoff = _entry(next(lines, b""), length)
        try:
            words.extend([numbers[word] for word in spoken])
        except KeyError as err:
            raise ValueError(f"{_shown(err.args[0])} is in a {length}-gram, and not among the single words") from err
        log_probs.append(log_prob)
        backoffs.append(backoff)
    if is_longest and any(backoffs):
        raise ValueError(f"a {length}-gram has a backoff, and none is longer")
    shape = (count, length)
    return Level(np.array(words, np.uint32).reshape(shape), np.array(log_probs, np.float32), np.array(backoffs, np.float32))


def _entry(line: bytes, length: int) -> tuple[float, list[bytes], float]:
    """Probability, words and backoff of a line."""
    fields = line.split()
    if not length < len(fields) <= length + 2:
        raise ValueError(f"{_shown(line)} came where a {length}-gram was expected")
    log_prob, backoff = float(fields[0]), float(fields[length + 1]) if len(fields) == length + 2 else 0.0
    if not (log_prob <= 0 and abs(backoff) <= MAX_BACKOFF):
        raise ValueError(f"{_shown(line)} has a weight that cannot be")
    return max(log_prob, NEVER), fields[1 : length + 1], backoff


def _expect(lines: Iterator[bytes], wanted: bytes) -> None:
    line = next(lines, b"")
    while line.startswith(b"#"):
        line = next(lines, b"")
    if line.strip() != wanted:
        raise ValueError(f"{_shown(line)} came where {wanted.decode()} was expected")


def _shown(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace").strip()) if line.strip() else "the end"
