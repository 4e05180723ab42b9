"""What `python -m inference.bench` measured of a model in each precision, and which of these may serve."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings

from transcription.catalogue.errors import CatalogueError

ALLOWED_BY_CHANCE: Final = 2
"""Words: rounding flips one here and there, to the better as often as to the worse, and a short reference set has few."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one precision. num_wrong, num_spoken: words; `num_spoken` is 0 where nobody wrote down what is said in the recordings,
    and then `num_different` of `num_words` are those that differ from what fp32 writes.
    """

    precision: str
    streams_per_core: float
    load_ms: float
    num_wrong: int
    num_spoken: int
    num_different: int
    num_words: int

    @property
    def wer(self) -> float | None:
        """Share of the words."""
        return self.num_wrong / self.num_spoken if self.num_spoken else None

    @property
    def rtf(self) -> float:
        """Seconds of computing for a second of speech, eight streams at once."""
        return 1 / self.streams_per_core


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model. by_rule: the precision that `auto` is without a measurement."""

    model: str
    by_rule: str
    rows: tuple[Figures, ...]

    def of(self, precision: str) -> Figures | None:
        """`auto` is by_rule."""
        wanted = self.by_rule if precision in {"auto", ""} else precision
        return next((row for row in self.rows if row.precision == wanted), None)


class _Everything(msgspec.Struct, frozen=True):
    models: tuple[Report, ...]


def read_reports(path: Path) -> tuple[Report, ...]:
    """What `inference.bench --json` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=_Everything).models


def measured(models: Sequence[str], arguments: Sequence[str]) -> tuple[Report, ...]:
    """Of each of `models`, as HARK_MODELS writes them; the table is shown meanwhile. Blocks for minutes.

    Raises:
        CatalogueError: nothing could be measured; why has been shown.
    """
    with tempfile.TemporaryDirectory(prefix="hark-bench-") as folder:
        path = Path(folder) / "report.json"
        given = [*arguments, f"--models={','.join(models)}", f"--json={path}"]
        status = subprocess.run([sys.executable, "-m", "inference.bench", *given], cwd=settings.BASE_DIR, check=False).returncode
        if status:
            raise CatalogueError("Nothing was measured, and nothing recorded.")
        return read_reports(path)


def refusal(figures: Figures, reference: Figures, max_loss_percent: int) -> str | None:
    """Why `figures` may not serve; None: they may.

    reference: of fp32. max_loss_percent: percentage points of word error above it that are allowed.
    """
    if figures.num_spoken:
        lost, num_words = figures.num_wrong - reference.num_wrong, figures.num_spoken
        what = f"gets {figures.num_wrong} of {num_words} words wrong, {reference.precision} {reference.num_wrong}"
    else:
        lost, num_words = figures.num_different, figures.num_words
        what = f"writes {lost} of {num_words} words otherwise than {reference.precision}"
    if lost <= max(ALLOWED_BY_CHANCE, max_loss_percent * num_words / 100):
        return None
    return f"{figures.precision} {what}; more than {max_loss_percent} % (HARK_MAX_VARIANT_LOSS) is too many."
