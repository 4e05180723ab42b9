"""What should follow a short Whisper window: nothing, borrowed silence, or zeros up to 30 s. Word error and time of each.

Every clip is one window, decoded once with each, in turn. See docs/decisions/0004.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.accuracy import offline
from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import clips, speech_folder
from inference.engines import registry
from inference.engines.base import Window
from inference.engines.whisper.engine import BORROWED_FRAMES, WhisperEngine

Recognise = Callable[[np.ndarray], str]
NOTHING: Final = "half a second of zeros"
BORROWED: Final = "the same, then borrowed silence"
WHOLE: Final = "zeros up to 30 s"


@dataclass(slots=True)
class Result:
    errors: ErrorRate = field(default_factory=ErrorRate)
    seconds: float = 0.0


def ways() -> dict[str, Recognise]:
    """The three, on the same weights."""
    engine = registry.create("whisper-tiny.en", "auto")
    assert isinstance(engine, WhisperEngine)
    engine.load()

    def window(num_borrowed: int) -> Recognise:
        def recognise(audio: np.ndarray) -> str:
            engine.num_borrowed = num_borrowed
            return engine.step([Window(engine.open_stream(), audio, ("en",), is_final=True)])[0].text

        return recognise

    return {NOTHING: window(0), BORROWED: window(BORROWED_FRAMES), WHOLE: lambda audio: offline(engine, audio, "en")}


def measure(limit: int | None) -> dict[str, Result]:
    results = {name: Result() for name in (NOTHING, BORROWED, WHOLE)}
    recognisers = ways()
    for clip in [clip for clip in clips(speech_folder(), {"en"}, {"read"}) if clip.seconds < 29][:limit]:
        audio, reference = clip.audio(), units(clip.text, by_character=False)
        for name, recognise in recognisers.items():
            started_s = time.perf_counter()
            text = recognise(audio)
            results[name].seconds += time.perf_counter() - started_s
            results[name].errors.add(reference, units(text, by_character=False))
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description=__doc__)
    parser.add_argument("--limit", type=int, default=None, help="clips at most")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    results = measure(options.limit)
    whole_s = results[WHOLE].seconds
    numbers = {
        name: {"wer_percent": result.errors.percent, "time_ratio": result.seconds / whole_s} for name, result in results.items()
    }
    sys.stdout.write(f"{'what follows the speech':<34}{'WER %':>8}{'time':>8}\n")
    for name, row in numbers.items():
        sys.stdout.write(f"{name:<34}{row['wer_percent']:>8.2f}{row['time_ratio']:>8.2f}\n")
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
