"""Who runs next: a pure policy over what the streams want. No model, no socket, no clock of its own."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_INCREMENTAL_BATCH: Final = 64
"""Short steps that go together: engines that make such do not get faster by more of them."""


MEMORY_S: Final = 1.0
MAX_PERIOD_S: Final = 0.06
PERIOD_S_PER_RATE: Final = MAX_PERIOD_S / 300
"""Sixty speakers wait for each other as long as anybody does. A pass over as many costs 11 ms however few have something to do:
with more passes a slow core does nothing else, and everybody waits for longer."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One stream's wish to be recognised. `since_s` is a monotonic time: since when it waits. `key` is the caller's own.
    `num_samples`: the audio that would be recognised, at 16 kHz. `is_first`: nothing of the segment was recognised yet.
    `is_incremental`: its model remembers what it heard before, so that the step is short.
    """

    key: int
    model: str
    is_final: bool
    since_s: float
    num_samples: int = 0
    is_first: bool = False
    is_incremental: bool = False

    @property
    def rank(self) -> tuple[int, float]:
        """The lower, the sooner: finals, then the first text of a segment, then text that only grows; the oldest first."""
        return (0 if self.is_final else 1 if self.is_first else 2), self.since_s


def no_limit(_model: str) -> float:
    return math.inf


def choose(
    wishes: Sequence[Wish],
    max_batch: int,
    max_samples: Callable[[str], float] = no_limit,
    *,
    is_turn_of_short: bool = False,
) -> list[Wish]:
    """The wishes that make the next batch, best first; empty only when there is none.

    Finals go before first partials, these before others, whoever waits longest first. A batch is of one model: that of
    the first wish. Everything that waits for that model is merged up to `max_batch` wishes and the model's `max_samples` of
    audio; finals and partials are not mixed, so that a final does not wait for the partials beside it. Short steps are: the more
    go together the better, and not even `max_batch` holds for them.

    is_turn_of_short: the last batch was a long one; short steps go before everything else now. Else finals of a slow model would
    keep back the partials that a fast one writes meanwhile; so they wait for one batch of these at most.
    """
    if not wishes:
        return []
    ordered = sorted(wishes, key=lambda wish: (is_turn_of_short and not wish.is_incremental, wish.rank))
    first = ordered[0]
    is_short = first.is_incremental
    alike = [wish for wish in ordered if wish.model == first.model and (is_short or wish.is_final == first.is_final)]
    alike = alike[: max(max_batch, MAX_INCREMENTAL_BATCH) if is_short else max_batch]
    limit = max_samples(first.model)
    num_samples = itertools.accumulate(wish.num_samples for wish in alike)
    return [wish for place, (wish, total) in enumerate(zip(alike, num_samples, strict=True)) if place == 0 or total <= limit]


class Pace:
    """How fast a model gets through audio, learned from its batches: so that a batch can be kept short.

    A final that comes while a batch runs waits for it; what a batch may hold is therefore bounded in time, not in windows.
    """

    def __init__(self) -> None:
        self._samples_per_s: float | None = None

    def learn(self, num_samples: int, took_s: float) -> None:
        if num_samples and took_s > 0:
            measured = num_samples / took_s
            self._samples_per_s = measured if self._samples_per_s is None else _blend(self._samples_per_s, measured)

    @property
    def samples_per_s(self) -> float | None:
        """Audio recognised in a second of computing; None: nothing was learned."""
        return self._samples_per_s

    def samples_in(self, time_s: float) -> float:
        """How much audio a batch of `time_s` may hold; no bound while nothing was learned."""
        return math.inf if self._samples_per_s is None else self._samples_per_s * time_s


class Gathering:
    """How far apart the passes of the loop are. Short steps come five a second and more from every speaker, at moments of their
    own; done one by one they take three times as long as together. Where there are few, none waits for the others.
    """

    def __init__(self, now_s: float) -> None:
        self._rate = 0.0
        self._at_s = now_s

    def learn(self, num_short: int, now_s: float) -> None:
        """A batch of so many short steps is about to run."""
        self._rate = self._rate_at(now_s) + num_short / MEMORY_S
        self._at_s = now_s

    def period_s(self, now_s: float) -> float:
        return min(MAX_PERIOD_S, self._rate_at(now_s) * PERIOD_S_PER_RATE)

    def _rate_at(self, now_s: float) -> float:
        """Short steps a second, of the last second or so."""
        return self._rate * math.exp(min(0.0, self._at_s - now_s) / MEMORY_S)


def _blend(old: float, new: float) -> float:
    """A moving average over about ten batches."""
    return 0.9 * old + 0.1 * new
