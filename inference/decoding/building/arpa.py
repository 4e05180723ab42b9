"""N-grams as text in the ARPA form, which every tool for language models reads."""

import gzip
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from inference.decoding.building.counts import START, Ngram
from inference.decoding.building.smoothing import Estimate

NEVER: Final = -99.0
"""Stands for the logarithm of 0."""


def write_arpa(estimates: Sequence[Estimate], path: Path) -> None:
    """Write it compressed, the same bytes for the same n-grams."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
        packed.writelines(line.encode() for line in arpa_lines(estimates))


def arpa_lines(estimates: Sequence[Estimate]) -> Iterator[str]:
    yield "\\data\\\n"
    for length, level in enumerate(estimates, 1):
        yield f"ngram {length}={len(level.probs) + (length == 1)}\n"
    for length, level in enumerate(estimates, 1):
        backoffs = estimates[length].backoffs if length < len(estimates) else None
        yield f"\n\\{length}-grams:\n"
        if length == 1:
            yield _line((START,), NEVER, backoffs)
        for ngram in sorted(level.probs):
            yield _line(ngram, math.log10(level.probs[ngram]), backoffs)
    yield "\n\\end\\\n"


def _line(ngram: Ngram, log_prob: float, backoffs: dict[Ngram, float] | None) -> str:
    """backoffs: of rows one word longer; None: there are none."""
    backoff = backoffs.get(ngram) if backoffs is not None else None
    end = "" if backoff is None else f"\t{math.log10(backoff) if backoff > 0 else NEVER:.6f}"
    return f"{log_prob:.6f}\t{' '.join(ngram)}{end}\n"
