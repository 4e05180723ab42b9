"""Who runs next: a pure policy over what the streams want. No model, no socket, no clock of its own."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """One stream's wish to be recognised. `since_s` is a monotonic time: since when it waits. `key` is the caller's own."""

    key: int
    model: str
    is_final: bool
    since_s: float


def choose(wishes: Sequence[Wish], max_batch: int) -> list[Wish]:
    """The wishes that make the next batch, best first; empty only when there is none.

    Finals go before partials, whoever waits longest first. A batch is of one model: that of the first wish. Everything
    that waits for that model is merged up to `max_batch`; finals and partials are not mixed, so that a final does not
    wait for the partials beside it.
    """
    if not wishes:
        return []
    ordered = sorted(wishes, key=lambda wish: (not wish.is_final, wish.since_s))
    first = ordered[0]
    alike = [wish for wish in ordered if wish.model == first.model and wish.is_final == first.is_final]
    return alike[:max_batch]
