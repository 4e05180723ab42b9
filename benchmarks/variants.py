"""Each model in each precision: size of its files, load time, memory, speed, and word error on recordings with transcripts.

Speed is that of `manage.py models bench`: seconds of speech for each second of CPU, eight live streams with partials and finals.
Word error is of the finals of one stream. Memory is what a fresh process keeps of the model after it was loaded and used.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.speech import clips, speech_folder
from inference.bench.choice import Row, compared
from inference.bench.measure import Measurement, Order, in_own_process, measure
from inference.bench.speech import MAX_SAMPLES, Recording
from inference.config import split_head, split_model
from inference.engines import registry
from inference.errors import ConfigError
from inference.examine.__main__ import examine, size_of
from inference.tuning import MeasuredPrecision
from transcription.catalogue.shipped import shipped

PRECISIONS: tuple[MeasuredPrecision, ...] = ("fp32", "bf16", "fp16", "int8")
LANGUAGES = {"whisper-tiny.en": "en", "whisper-base": "en,zh"}
HEADINGS = ("model", "precision", "files", "parameters", "loaded in", "memory", "speech per CPU second", "word error", "words")
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One model in one precision on one language."""

    model: str
    precision: str
    language: str
    size_bytes: int
    num_parameters: int
    load_ms: int
    memory_bytes: int
    streams_per_core: float
    wer_percent: float
    num_words: int


def chosen(language: str, num_clips: int) -> list[Recording]:
    """Read speech, clips that one segment holds, taken evenly."""
    found = [clip for clip in clips(speech_folder(), {language}, {"read"}) if clip.seconds * 16_000 <= MAX_SAMPLES]
    return [Recording(clip.path, clip.language, clip.text) for clip in found[:: max(1, len(found) // num_clips)]][:num_clips]


def lines_of(model: str, language: str, num_clips: int, step_ms: int) -> list[Line]:
    order = Order(model, "auto", chosen(language, num_clips), step_ms, num_clips)
    measured: dict[MeasuredPrecision, Measurement] = {}
    for precision in PRECISIONS:
        sys.stderr.write(f"{model} in {precision}, {language} …\n")
        try:
            measured[precision] = in_own_process(measure, order, precision)
        except ConfigError as err:
            sys.stderr.write(f"… left out: {err}\n")
    return [line_of(model, language, row) for row in compared(measured)]


def line_of(model: str, language: str, row: Row) -> Line:
    facts = in_own_process(examine, model, row.precision, "auto")
    return Line(
        model=split_model(model)[0],
        precision=row.precision,
        language=language,
        size_bytes=size_of_files(model),
        num_parameters=facts.num_parameters,
        load_ms=facts.load_ms,
        memory_bytes=facts.memory_bytes,
        streams_per_core=row.measured.streams_per_core,
        wer_percent=row.wer_percent or 0.0,
        num_words=row.num_spoken,
    )


def size_of_files(model: str) -> int:
    name, path = split_model(model)
    known = shipped(name)
    if path is not None:
        return size_of(split_head(str(path))[0])
    return 0 if known is None else known.size_bytes


def table(lines: list[Line]) -> str:
    rows = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for line in lines:
        cells = (
            line.model,
            line.precision,
            f"{line.size_bytes / 1e6:.0f} MB",
            f"{line.num_parameters / 1e6:.0f} million",
            f"{line.load_ms / 1000:.1f} s",
            f"{line.memory_bytes / 1e6:.0f} MB",
            f"{line.streams_per_core:.1f} s",
            f"{line.wer_percent:.1f} %",
            f"{line.num_words} {line.language}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description=__doc__)
    parser.add_argument("--models", default=",".join(LANGUAGES), help=f"of {', '.join(registry.FACTORIES)}, or name=path")
    parser.add_argument("--languages", help="with commas between; default: those that the shipped models are for, else en")
    parser.add_argument("--clips", type=int, default=40, help="of each language")
    parser.add_argument("--step-ms", type=int, default=500, help="new speech between two partials")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    os.nice(NICENESS)
    lines = []
    for model in options.models.split(","):
        for language in (options.languages or LANGUAGES.get(model, "en")).split(","):
            fresh = lines_of(model, language, options.clips, options.step_ms)
            sys.stdout.write(table(fresh) + "\n")
            sys.stdout.flush()
            lines += fresh
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in lines], indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
