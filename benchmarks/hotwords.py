"""What hotwords do: names that are heard right with and without them, word error, and names written where none was said.

The names are those of the recordings' own transcripts: words with a capital inside a sentence. Every clip is one final,
recognised three times: without hotwords, with the names of all clips, and with the names of all other clips only.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip, clips, speech_folder
from inference.engines import registry
from inference.engines.base import Engine, Window, recognise

MIN_LETTERS: Final = 4
WITHOUT: Final = "without"
ALL: Final = "names of all clips"
OTHERS: Final = "names of other clips"


def names(text: str) -> list[str]:
    """Words with a capital inside a sentence; none of a transcript that is all capitals."""
    if text.isupper():
        return []
    inside = re.findall(r"(?<=[a-z,;’'] )[A-Z][\w-]+", text)
    return [name for name in dict.fromkeys(inside) if len(name) >= MIN_LETTERS]


@dataclass(slots=True)
class Result:
    errors: ErrorRate = field(default_factory=ErrorRate)
    num_names: int = 0
    num_right: int = 0
    num_false: int = 0

    def add(self, clip: Clip, text: str, hotwords: Sequence[str]) -> None:
        said, heard = units(clip.text, by_character=False), units(text, by_character=False)
        self.errors.add(said, heard)
        for name in names(clip.text):
            self.num_names += 1
            self.num_right += has(heard, name)
        self.num_false += sum(has(heard, word) and not has(said, word) for word in hotwords)

    def as_dict(self) -> dict[str, float]:
        return {
            "wer_percent": round(self.errors.percent, 2),
            "names": self.num_names,
            "names_right": self.num_right,
            "names_not_said": self.num_false,
        }


def has(heard: Sequence[str], name: str) -> bool:
    """Whether all parts of `name` were heard, a genitive or not."""
    return all(part in heard or f"{part}'s" in heard for part in units(name, by_character=False))


def measure(engine: Engine[Any], chosen: Sequence[Clip]) -> dict[str, Result]:
    every = tuple(dict.fromkeys(name for clip in chosen for name in names(clip.text)))
    results = {way: Result() for way in (WITHOUT, ALL, OTHERS)}
    for clip in chosen:
        audio, own = clip.audio(), names(clip.text)
        lists = {WITHOUT: (), ALL: every, OTHERS: tuple(name for name in every if name not in own)}
        windows = [Window(engine.open_stream(), audio, (clip.language,), is_final=True, hotwords=lists[way]) for way in results]
        for (way, result), hypothesis in zip(results.items(), recognise(engine, windows), strict=True):
            result.add(clip, hypothesis.text, lists[way])
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotwords", description=__doc__)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--limit", type=int, default=None, help="clips at most")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    chosen = [clip for clip in clips(speech_folder(), {"en"}, {"read"}) if clip.seconds < 29][: options.limit]
    engine = registry.create(options.model, options.precision)
    engine.load()
    numbers = {way: result.as_dict() for way, result in measure(engine, chosen).items()}
    sys.stdout.write(f"{'hotwords':<24}{'WER %':>8}{'names':>8}{'right':>8}{'not said':>10}\n")
    for way, row in numbers.items():
        sys.stdout.write(f"{way:<24}{row['wer_percent']:>8}{row['names']:>8}{row['names_right']:>8}{row['names_not_said']:>10}\n")
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
