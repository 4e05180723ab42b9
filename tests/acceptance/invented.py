"""What no recogniser may do with any audio: write faster than anybody speaks, or go round in circles."""

from benchmarks.scoring import units
from inference.messages import TranscriptFinal
from tests.acceptance.rig import Transcript

MAX_WORDS_PER_S = 8
SPARE_WORDS = 2
"""A clipped word or two may be shorter than a word takes."""
MAX_REPEATS = 3
GRAM_WORDS = 4


def assert_plausible(transcript: Transcript) -> None:
    for final in transcript.finals:
        words = units(final.text, by_character=False)
        assert len(words) <= SPARE_WORDS + MAX_WORDS_PER_S * _seconds(final), (
            f"too many words in {_seconds(final)} s: {final.text}"
        )
        assert num_repeats(words) <= MAX_REPEATS, f"goes round in circles: {final.text}"


def _seconds(final: TranscriptFinal) -> float:
    return (final.end_ms - final.start_ms) / 1000


def num_repeats(words: list[str]) -> int:
    """How often the most repeated run of four words comes in a row; 1 when none is repeated."""
    return max((_run(words, place) for place in range(len(words))), default=1)


def _run(words: list[str], place: int) -> int:
    gram = words[place : place + GRAM_WORDS]
    count = 1
    while words[place + count * GRAM_WORDS : place + (count + 1) * GRAM_WORDS] == gram:
        count += 1
    return count
