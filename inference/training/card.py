"""The table of a model card: what a model reached on held-out speakers, between two marks; exporting writes it anew."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inference.training.errors import TrainingError
from inference.training.judging import Verdict

CARD: Final = "MODEL_CARD.md"
BEGIN: Final = "<!-- results: written by `python -m inference.training export --data` -->"
END: Final = "<!-- end of results -->"
Results = Sequence[tuple[str, Verdict]]
"""How it was decoded, and what came of it."""


def open_card(folder: Path) -> None:
    """See that the model in `folder` has a card with a place for a table; where it has none at all, begin one.

    Raises:
        TrainingError: its card has no place for a table.
    """
    path = folder / CARD
    if not path.exists():
        path.write_text(f"# {folder.resolve().name}\n\n{BEGIN}\n{END}\n", encoding="utf-8")
    elif not _has_place(path.read_text(encoding="utf-8")):
        raise TrainingError(
            f"{path} has no lines {BEGIN!r} and {END!r}; add them where the table is to be, or move the card away."
        )


def write_results(folder: Path, results: Results, step: int) -> None:
    """Put the table into the card of the model in `folder`, which `open_card` has seen."""
    path = folder / CARD
    path.write_text(with_table(path.read_text(encoding="utf-8"), table(results, step)), encoding="utf-8")


def _has_place(text: str) -> bool:
    return BEGIN in text and END in text


def with_table(text: str, lines: str) -> str:
    """`text` with `lines` between the marks."""
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return between.sub(lambda _: f"{BEGIN}\n{lines}\n{END}", text)


def table(results: Results, step: int) -> str:
    """One row for each domain and way of decoding."""
    head = [
        f"After {step:,} steps:",
        "",
        "| domain | decoding | utterances | words | WER | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_row(name, verdict) for name, verdict in results)])


def _row(name: str, verdict: Verdict) -> str:
    return (
        f"| {verdict.domain} | {name} | {verdict.num_trials} | {verdict.num_words} | {verdict.rate:.1%} "
        f"| {verdict.low:.1%} to {verdict.high:.1%} |"
    )
