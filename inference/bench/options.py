"""The options of `manage.py models bench`, which hands them on to `python -m inference.bench`. Nothing heavy is imported here."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from inference.tuning import MeasuredPrecision

SHIPPED_SPEECH: Final = Path(__file__).resolve().parents[2] / "tests" / "data" / "speech"
REFERENCE: Final[MeasuredPrecision] = "fp32"
PRECISIONS: Final[tuple[MeasuredPrecision, ...]] = get_args(MeasuredPrecision)
MAX_DIFFERENT_PERCENT: Final = 10.0
"""Rounding flips a word here and there, to the better as often as to the worse; arithmetic that fails changes most of them."""
NAMES: Final = ("models", "precisions", "audio", "language", "clips", "rounds", "step_ms", "max_different", "json", "save")


def add_options(parser: ArgumentParser) -> None:
    """`precisions` becomes a tuple in which REFERENCE is always; `models` stays text, or None."""
    parser.add_argument("--models", help="as in HARK_MODELS, whose models are measured otherwise")
    parser.add_argument(
        "--precisions", type=_precisions, default=PRECISIONS, help=f"some of {','.join(PRECISIONS)}; else all that the device has"
    )
    parser.add_argument("--audio", type=Path, default=SHIPPED_SPEECH, help="folder of FLAC or WAV files; default: %(default)s")
    parser.add_argument("--language", default="", help="of the recordings, where no manifest.jsonl tells it")
    parser.add_argument("--clips", type=_count, default=24, help="recordings to hear, taken evenly; default: %(default)s")
    parser.add_argument("--rounds", type=_count, default=2, help="the quietest counts; default: %(default)s")
    parser.add_argument("--step-ms", type=_count, default=500, help="new speech between two partials; default: %(default)s")
    parser.add_argument(
        "--max-different",
        type=float,
        default=MAX_DIFFERENT_PERCENT,
        metavar="PERCENT",
        help=f"a precision that changes more of the words of {REFERENCE} is not picked; default: %(default)s",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write everything there too")
    parser.add_argument(
        "--save", action="store_true", help="keep the picks: HARK_PRECISION=auto takes them from the next start on"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _precisions(text: str) -> tuple[MeasuredPrecision, ...]:
    """Those wanted and the one that they are compared with, in the order in which they are known."""
    wanted = {word.strip() for word in text.split(",") if word.strip()}
    if not wanted <= set(PRECISIONS):
        raise ArgumentTypeError(f"{text!r}: expected some of {','.join(PRECISIONS)}")
    return tuple(precision for precision in PRECISIONS if precision in wanted or precision == REFERENCE)


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """A command line that is read as `options`, wherever the process that reads it is started."""
    given = {name: options[name] for name in NAMES if options[name] not in (None, False)}
    return [f"--{name.replace('_', '-')}{_value(value)}" for name, value in given.items()]


def _value(value: object) -> str:
    if value is True:
        return ""
    if isinstance(value, tuple):
        return "=" + ",".join(value)
    return f"={value.absolute() if isinstance(value, Path) else value}"
