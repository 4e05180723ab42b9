"""The catalogue as lines of text."""

from collections.abc import Iterable, Sequence

from transcription.models import ASRModel

COLUMNS = ("model", "precision", "languages", "files", "memory", "loaded in", "time per second", "word error", "licence", "")


def lines(models: Iterable[ASRModel]) -> list[str]:
    """A heading and a line for each; what nobody has measured yet is a dash."""
    rows = [COLUMNS, *(cells(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def cells(model: ASRModel) -> tuple[str, ...]:
    return (
        model.name,
        model.precision,
        languages(model.languages),
        megabytes(model.size_bytes),
        megabytes(model.memory_bytes),
        "-" if model.load_ms is None else f"{model.load_ms / 1000:.1f} s",
        "-" if model.rtf is None else f"{model.rtf:.3f} s",
        "-" if model.wer is None else f"{100 * model.wer:.1f} %",
        model.licence or "unknown",
        "" if model.is_enabled else "disabled",
    )


def languages(tags: Sequence[str]) -> str:
    if not tags:
        return "any"
    return ",".join(tags) if len(tags) <= 3 else f"{len(tags)}"


def megabytes(num_bytes: int | None) -> str:
    return "-" if num_bytes is None else f"{num_bytes / 1e6:.0f} MB"
