"""The utterances of a stream: where each lies, when it is said to have been spoken, and which are not final yet."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from inference.audio import to_ms, to_samples
from inference.endpointing import FRAME_SAMPLES

MARGIN_SAMPLES: Final = to_samples(100)
"""Speech is a little longer than voice activity says; times that are shown stay this close to it."""
STEP_SAMPLES: Final = to_samples(200) // FRAME_SAMPLES * FRAME_SAMPLES
"""200 ms, as far as whole frames of voice activity go: one more frame would put the step off until the next audio comes."""


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


class Segments:
    """Those of a stream that are not final yet: `open`, which is spoken, and `closed`, which wait for their finals in order.

    `num_begun`: how many have begun. `next_number`: of the segment whose first text leaves next.
    """

    __slots__ = ("closed", "next_number", "num_begun", "open")

    def __init__(self, next_number: int) -> None:
        self.open: Segment | None = None
        self.closed: deque[Segment] = deque()
        self.num_begun = 0
        self.next_number = next_number

    @property
    def current(self) -> Segment | None:
        """To be recognised now."""
        return self.closed[0] if self.closed else self.open

    @property
    def models(self) -> set[str]:
        """That they need."""
        segments = [*self.closed, *([] if self.open is None else [self.open])]
        return {segment.model for segment in segments}

    def first_free(self, settled: int) -> int:
        """Where the next may start at the earliest; `settled`: what is counted already."""
        last_end = self.closed[-1].end if self.closed else None
        return settled if last_end is None else last_end

    def begin(self, segment: Segment) -> None:
        self.num_begun += 1
        self.open = segment

    def close(self, end: int, voiced_until: int) -> None:
        """The one that is spoken is over."""
        assert self.open is not None
        self.open.end, self.open.voiced_until = end, voiced_until
        self.closed.append(self.open)
        self.open = None

    def number(self, segment: Segment) -> int:
        """Its own, from now on."""
        if segment.number is None:
            segment.number = self.next_number
            self.next_number += 1
        return segment.number
