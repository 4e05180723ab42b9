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


def write_results(folder: Path, results: Results, step: int) -> None:
    """Put the table into the card of the model in `folder`.

    Raises:
        TrainingError: there is no card, or it has no place for a table.
    """
    path = folder / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if BEGIN not in text or END not in text:
        raise TrainingError(f"{path} has no lines {BEGIN!r} and {END!r}; write a card with them, or export without --data.")
    path.write_text(with_table(text, table(results, step)), encoding="utf-8")


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
