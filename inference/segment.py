"""One utterance of a stream: where it lies, and when it is said to have been spoken."""

from dataclasses import dataclass
from typing import Final

from inference.audio import to_ms, to_samples

MARGIN_SAMPLES: Final = to_samples(100)
"""Speech is a little longer than voice activity says; times that are shown stay this close to it."""


@dataclass(frozen=True, slots=True)
class Stride:
    """When a model that remembers what it heard of a segment can go on: with `first` samples of it, then with `every` more."""

    first: int
    every: int

    def next_after(self, num_heard: int) -> int:
        """How many samples of the segment give it something to do that has heard so many."""
        return self.first + max(0, (num_heard - self.first) // self.every + 1) * self.every


@dataclass(slots=True)
class Segment:
    """Positions: speech lies in [`voiced_from`, `voiced_until`), what is recognised in [`start`, `end`), with silence around it;
    `stepped` is where the last step ended. `model`: the one that recognises it; `partial_model`: the one that writes its partial
    texts, where that is another one.

    `end` is None while it is spoken. `number` is given when its first text leaves.
    """

    start: int
    voiced_from: int
    languages: tuple[str, ...]
    hotwords: tuple[str, ...] = ()
    model: str = ""
    partial_model: str = ""
    language_model: str = ""
    end: int | None = None
    voiced_until: int | None = None
    number: int | None = None
    stepped: int = 0
    from_finalize: bool = False

    @property
    def shown_ms(self) -> tuple[int, int | None]:
        """When it was spoken, as far as voice activity can tell, a margin included."""
        first = max(self.start, self.voiced_from - MARGIN_SAMPLES)
        if self.end is None or self.voiced_until is None:
            return to_ms(first), None
        return to_ms(first), to_ms(min(self.end, self.voiced_until + MARGIN_SAMPLES))
