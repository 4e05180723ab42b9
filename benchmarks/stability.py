"""How steady live text is: what a reader sees appear and change again while somebody speaks.

Read clips go through the recognition loop as if spoken, a step every 200 ms of speech. A word is shown when a message
writes it where none or another one stood, and revised when a later message of the segment, its final included, writes
something else there. Words are compared without case and punctuation; messages that change only these are counted apart.
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.accuracy import Streamed, Streamer
from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip, clips, speech_folder
from inference.engines import registry
from inference.messages import TranscriptFinal, TranscriptUpdated

PERCENTILES: Final = (50, 95)


def num_lost(before: list[str], after: list[str]) -> int:
    """How many words of `before` do not stand in `after` any more."""
    matches = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return len(before) - sum(match.size for match in matches)


@dataclass(slots=True)
class Steadiness:
    """Sums over segments. `ages_ms`: how long a word had been over when it was first called stable."""

    num_shown: int = 0
    num_revised: int = 0
    num_interims: int = 0
    num_cosmetic: int = 0
    num_stable: int = 0
    num_contradicted: int = 0
    ages_ms: list[float] = field(default_factory=list)
    errors: ErrorRate = field(default_factory=ErrorRate)

    def add(self, clip: Clip, streamed: Streamed) -> None:
        self.errors.add(units(clip.text, by_character=clip.by_character), units(streamed.text, by_character=clip.by_character))
        for final in streamed.finals:
            partials = [partial for partial in streamed.partials if partial.segment == final.segment]
            self.add_segment(partials, final, by_character=clip.by_character)

    def add_segment(self, partials: list[TranscriptUpdated], final: TranscriptFinal, *, by_character: bool) -> None:
        texts = ["", *(partial.text for partial in partials), final.text]
        words = [units(text, by_character=by_character) for text in texts]
        self.num_interims += len(partials)
        for before, after in pairwise(words):
            self.num_revised += num_lost(before, after)
        for before, after in pairwise(words[:-1]):
            self.num_shown += num_lost(after, before)
        for index in range(1, len(partials) + 1):
            self.num_cosmetic += texts[index] != texts[index - 1] and words[index] == words[index - 1]
        if partials:
            self._add_stable(partials, final, by_character=by_character)

    def _add_stable(self, partials: list[TranscriptUpdated], final: TranscriptFinal, *, by_character: bool) -> None:
        promised = units(partials[-1].stable, by_character=by_character)
        self.num_stable += len(promised)
        self.num_contradicted += num_lost(promised, units(final.text, by_character=by_character))
        num_known = 0
        for partial in partials:
            num_now = len(partial.stable.split())
            self.ages_ms += [partial.end_ms - word.end_ms for word in final.words[num_known:num_now]]
            num_known = max(num_known, num_now)

    def as_dict(self) -> dict[str, float]:
        ages = {f"stable_age_ms_p{percent}": round(float(np.percentile(self.ages_ms or [0], percent))) for percent in PERCENTILES}
        return {
            "wer_percent": round(self.errors.percent, 2),
            "interim_messages": self.num_interims,
            "shown_words": self.num_shown,
            "revised_percent": _percent(self.num_revised, self.num_shown),
            "cosmetic_percent": _percent(self.num_cosmetic, self.num_interims),
            "stable_words": self.num_stable,
            "contradicted_percent": _percent(self.num_contradicted, self.num_stable),
            **ages,
        }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / max(1, whole), 2)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stability", description=__doc__)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--language", default="en")
    parser.add_argument("--limit", type=int, default=None, help="clips at most")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    chosen = [clip for clip in clips(speech_folder(), {options.language}, {"read"}) if clip.seconds < 30][: options.limit]
    engine = registry.create(options.model, options.precision)
    engine.load()
    streamer, steadiness = Streamer(engine), Steadiness()
    for clip in chosen:
        steadiness.add(clip, streamer.stream(clip.audio(), (clip.language,), interim=True))
    numbers = steadiness.as_dict()
    sys.stdout.write("".join(f"{name:<24}{value:>10}\n" for name, value in numbers.items()))
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
