"""KenLM itself says what is right: it reads the text, and then what was made of it."""

import itertools
import random
from pathlib import Path

import pytest
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from inference.decoding.building.arpa import arpa_lines
from inference.decoding.building.counts import count
from inference.decoding.building.smoothing import estimate
from inference.decoding.ngrams.arpa import read_arpa
from inference.decoding.ngrams.binary import binary_parts
from tests.inference.decoding.ngrams.arpas import PRUNED, arpa_at

LETTERS = "abcdef"


def binary_of(arpa: Path) -> Path:
    path = arpa.with_suffix(".bin")
    path.write_bytes(b"".join(binary_parts(read_arpa(arpa))))
    return path


def scores(ngrams: Path, rows: list[tuple[str, ...]]) -> list[list[float]]:
    """Of each word of a row after those before it, and of the end; `x` is unknown."""
    known = Dictionary([*LETTERS, "<unk>"])
    known.set_default_index(len(LETTERS))
    model = KenLM(str(ngrams), known)
    found = []
    for row in rows:
        state, scored = model.start(False), []  # as the start of a line
        for word in row:
            state, score = model.score(state, (LETTERS + "x").index(word))
            scored.append(score)
        found.append([*scored, model.finish(state)[1]])
    return found


def all_rows(letters: str, length: int) -> list[tuple[str, ...]]:
    return [row for num in range(length + 1) for row in itertools.product(letters, repeat=num)]


def test_every_row_of_words_is_as_likely_as_kenlm_reads_in_the_text(tmp_path: Path) -> None:
    rng = random.Random(5)
    lines = [[rng.choice(LETTERS) for _ in range(rng.randint(1, 7))] for _ in range(80)]
    arpa = tmp_path / "lm.arpa"
    arpa.write_text("".join(arpa_lines(estimate(count(lines, 5)))))
    rows = [*map(tuple, lines), *(tuple(rng.choices(LETTERS + "x", k=rng.randint(1, 8))) for _ in range(500))]

    assert scores(binary_of(arpa), rows) == scores(arpa, rows)


@pytest.mark.parametrize("num_levels", [2, 3, 4])
def test_where_ends_were_pruned_away_too(tmp_path: Path, num_levels: int) -> None:
    levels = {length: lines for length, lines in PRUNED.items() if length <= num_levels}
    longest = "|".join(" ".join(line.split()[: num_levels + 1]) for line in levels[num_levels].split("|"))
    arpa = arpa_at(tmp_path / "lm.arpa", levels | {num_levels: longest})
    rows = all_rows("abcdx", 4)

    assert scores(binary_of(arpa), rows) == scores(arpa, rows)


def test_single_words_alone_are_enough(tmp_path: Path) -> None:
    binary = binary_of(arpa_at(tmp_path / "lm.arpa", {1: "-99 <s>|-0.9 </s>|-0.7 a|-0.5 b"}))

    assert scores(binary, [("a", "b")])[0] == pytest.approx([-0.7, -0.5, -0.9])


def test_words_that_go_on_from_nothing_are_refused(tmp_path: Path) -> None:
    arpa = arpa_at(tmp_path / "lm.arpa", PRUNED | {4: "-0.1 <s> a b c|-0.45 c b d </s>"})

    with pytest.raises(ValueError, match="the words before the last one of 4-gram 2 are no n-gram"):
        list(binary_parts(read_arpa(arpa)))
