"""Values of metrics as people read them. Their unit is in the name of the metric. Pure."""

from typing import Final

KILO: Final = 1000


def readable(metric: str, value: float | None, *, how: str = "", per: str = "") -> str:
    """`value` of `metric` with its unit; a quotient (`per`) is a percentage."""
    if value is None:
        return "–"
    if per or metric.endswith("_ratio"):
        return f"{100 * value:.3g} %"
    plain = metric.removesuffix("_total")
    number = in_seconds(value) if plain.endswith("_seconds") else in_bytes(value) if plain.endswith("_bytes") else f"{value:.4g}"
    return f"{number}/s" if how == "rate" else number


def in_seconds(value: float) -> str:
    return f"{KILO * value:.3g} ms" if abs(value) < 1 else f"{value:.4g} s"


def in_bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < KILO:
            return f"{value:.3g} {unit}"
        value /= KILO
    return f"{value:.3g} TB"
