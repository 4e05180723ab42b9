"""How long to wait before the next try. Pure: chance is handed in."""

from collections.abc import Callable
from dataclasses import dataclass

FIRST_S = 0.25
LONGEST_S = 5.0


@dataclass(slots=True)
class Backoff:
    """Doubles from FIRST_S to LONGEST_S; of each half is fixed and half is chance, so that a thousand clients which lost the
    same server do not come back in one moment. `random`: a number in [0, 1).
    """

    random: Callable[[], float]
    num_tries: int = 0

    def next_s(self, at_least_s: float = 0.0) -> float:
        """The wait before the next try, in seconds; not shorter than the server asked for."""
        whole_s = min(FIRST_S * 2.0 ** min(self.num_tries, 16), LONGEST_S)
        self.num_tries += 1
        return at_least_s + whole_s * (0.5 + 0.5 * self.random())

    def reset(self) -> None:
        """The connection holds again."""
        self.num_tries = 0
