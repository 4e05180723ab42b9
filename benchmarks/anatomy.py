"""Where the time of the Whisper engine goes: features, encoder, what the decoder sees of it, reading known text, writing new
text, words and their times.

Groups of read clips are recognised as live streams would be: a partial each `--step-ms` for all of a group that still speak,
then each one's final. Time is processor time of the one thread that computes, so that a busy machine disturbs it less.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.speech import clips, speech_folder
from inference.audio import SAMPLE_RATE_HZ
from inference.engines import registry
from inference.engines.base import Window
from inference.engines.whisper.engine import WhisperEngine

FIRST_MS: Final = 400
PARTS: Final = (
    "features",
    "encoder",
    "keys and values of audio",
    "reading known text",
    "writing new text",
    "words and times",
)


class Clock:
    """Processor seconds by part, without what parts inside them took."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()

    def watch(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            started_s = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[part] += time.thread_time() - started_s
                self.calls[part] += 1

        return watched


def watched(engine: WhisperEngine) -> Clock:
    clock = Clock()
    for owner, name, part in (
        (engine.log_mel, "of_batch", PARTS[0]),
        (engine.network.encoder, "forward", PARTS[1]),
        (engine.network, "listen", PARTS[2]),
        (engine.writer, "_read_known", PARTS[3]),
        (engine.writer, "_step", PARTS[4]),
        (engine, "_hypothesis", PARTS[5]),
        (engine, "step", "all"),
    ):
        object.__setattr__(owner, name, clock.watch(part, getattr(owner, name)))
    return clock


def play(engine: WhisperEngine, group: list[np.ndarray], step_ms: int) -> tuple[int, int]:
    """Recognise `group` as live streams; how many partials and finals that took."""
    states = [engine.open_stream() for _ in group]
    num_partials = 0
    for end_ms in range(FIRST_MS, max(map(len, group)) * 1000 // SAMPLE_RATE_HZ, step_ms):
        end = end_ms * SAMPLE_RATE_HZ // 1000
        speaking = [(state, audio[:end]) for state, audio in zip(states, group, strict=True) if end < len(audio)]
        engine.step([Window(state, audio, ("en",), is_final=False) for state, audio in speaking])
        num_partials += len(speaking)
    for state, audio in zip(states, group, strict=True):
        engine.step([Window(state, audio, ("en",), is_final=True)])
    return num_partials, len(group)


def figures(clock: Clock, engine: WhisperEngine, audio_s: float) -> dict[str, Any]:
    all_s = clock.seconds["all"]
    return {
        "precision": engine.arithmetic.name,
        "audio_s_per_cpu_s": round(audio_s / all_s, 1),
        "share_percent": {part: round(100 * clock.seconds[part] / all_s, 1) for part in PARTS},
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anatomy", description=__doc__)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "int8"])
    parser.add_argument("--streams", type=int, default=8, help="clips at a time")
    parser.add_argument("--step-ms", type=int, default=400)
    parser.add_argument("--limit", type=int, default=32, help="clips at most")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    engine = registry.create("whisper-tiny.en", options.precision)
    assert isinstance(engine, WhisperEngine)
    engine.load()
    engine.warm_up()
    chosen = [clip for clip in clips(speech_folder(), {"en"}, {"read"}) if clip.seconds < 15][: options.limit]
    chosen.sort(key=lambda clip: clip.seconds)
    clock, num_partials, num_finals = watched(engine), 0, 0
    for place in range(0, len(chosen), options.streams):
        group = [clip.audio() for clip in chosen[place : place + options.streams]]
        more = play(engine, group, options.step_ms)
        num_partials, num_finals = num_partials + more[0], num_finals + more[1]
    numbers = figures(clock, engine, sum(clip.seconds for clip in chosen))
    sys.stdout.write(f"{engine.info.name} in {engine.arithmetic.name}: {num_partials} partials, {num_finals} finals, ")
    sys.stdout.write(f"{numbers['audio_s_per_cpu_s']} s of audio per processor second\n")
    for part in PARTS:
        sys.stdout.write(f"{part:<30}{numbers['share_percent'][part]:>6.1f} %{clock.calls[part]:>8} calls\n")
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
