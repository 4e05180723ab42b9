"""Where the words of an utterance lie before any model can tell: its loud stretches, divided in proportion to the letters.

Networks that start from such frame-level targets learn in minutes what CTC alone does not find in an hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

from inference.audio import SAMPLE_RATE_HZ

WINDOW_SAMPLES: Final = SAMPLE_RATE_HZ // 100
"""10 ms: the grain of the loudness."""
QUIET_DB: Final = 32.0
"""Below the loudest windows by this much, nobody speaks."""
MARGIN_WINDOWS: Final = 4
LETTER_WEIGHT: Final = 3.0
"""A spelled letter lasts as long as so many letters of a word."""
WORD_WEIGHT: Final = 1.0
"""What each word lasts beyond its letters."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    text: str
    start_s: float
    end_s: float

    def moved(self, offset_s: float, speed: float = 1.0) -> "TimedWord":
        """As it lies after the audio was played `speed` times as fast and put behind `offset_s`."""
        return TimedWord(self.text, self.start_s / speed + offset_s, self.end_s / speed + offset_s)


Timings = dict[str, tuple[TimedWord, ...]]
"""By the id of an utterance."""


def is_loud(audio: np.ndarray) -> np.ndarray:
    """bool (num_windows,): whether somebody seems to speak in each 10 ms.

    Args:
        audio: float32 (num_samples,), 16 kHz.
    """
    num_windows = max(len(audio) // WINDOW_SAMPLES, 1)
    windows = np.resize(audio, num_windows * WINDOW_SAMPLES).reshape(num_windows, -1)
    level_db = 10 * np.log10((windows**2).mean(axis=1) + 1e-10)
    smooth = np.convolve(np.pad(level_db, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    floor_db, peak_db = np.percentile(smooth, 10), np.percentile(smooth, 95)
    loud: np.ndarray = smooth > max(peak_db - QUIET_DB, min(floor_db + 6.0, peak_db - 12.0))
    return loud if loud.any() else np.ones(num_windows, dtype=bool)


def trimmed_span(audio: np.ndarray) -> slice:
    """Samples from the first to the last loud window and a little more: words begin and end with quiet consonants."""
    loud = np.flatnonzero(is_loud(audio))
    first, end = int(loud[0]) - MARGIN_WINDOWS, int(loud[-1]) + 1 + MARGIN_WINDOWS
    return slice(max(first, 0) * WINDOW_SAMPLES, min(end * WINDOW_SAMPLES, len(audio)))


def guessed_words(audio: np.ndarray, words: Sequence[str]) -> tuple[TimedWord, ...]:
    """The loud windows shared out among `words` by what each weighs; pauses take no share."""
    loud_s = np.flatnonzero(is_loud(audio)) / 100
    ends = list(accumulate(_weight(word) for word in words))
    starts = [0.0, *ends[:-1]]

    def place(share: float) -> int:
        return min(round(share / ends[-1] * len(loud_s)), len(loud_s) - 1)

    return tuple(
        TimedWord(word, float(loud_s[place(start)]), float(loud_s[max(place(end) - (end < ends[-1]), place(start))]) + 0.01)
        for word, start, end in zip(words, starts, ends, strict=True)
    )


def _weight(word: str) -> float:
    return LETTER_WEIGHT + WORD_WEIGHT if len(word) == 1 else len(word) + WORD_WEIGHT
