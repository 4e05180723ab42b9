"""Graphs for one number of rows each, made while others run, for the numbers that come often.

A graph that knows all of its shapes works nothing out anew: worth a third of a step with few rows, a seventh with many. But each
takes a third of a second or more to make, and memory for good.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from inference.priority import give_way

logger = logging.getLogger(__name__)

USES_TO_PAY: Final = 50
"""Steps with as many rows after which a graph for them is worth its making."""
USES_REMEMBERED: Final = 2_000
"""After so many steps each counts half: what came often long ago gives way."""
GraphT = TypeVar("GraphT")


class SizedGraphs(Generic[GraphT]):
    """Args:
    make: a graph for so many rows; called on a thread of its own.
    max_graphs: so many are kept at a time, the most used ones.
    """

    def __init__(self, make: Callable[[int], GraphT], max_graphs: int) -> None:
        self._make = make
        self._max_graphs = max_graphs
        self._graphs: dict[int, GraphT] = {}
        self._uses: Counter[int] = Counter()
        self._making: threading.Thread | None = None

    def __contains__(self, num_rows: int) -> bool:
        return num_rows in self._graphs

    def find(self, num_rows: int) -> GraphT | None:
        """The graph for so many rows, if there is one by now; this is one use."""
        self._count(num_rows)
        graph = self._graphs.get(num_rows)
        if graph is None and self._is_worth_making(num_rows):
            self._make_room()
            self._making = threading.Thread(target=self._make_aside, args=(num_rows,), name=f"graph for {num_rows} rows")
            self._making.start()
        return graph

    def prepare(self, num_rows: int) -> None:
        """Make it now, whatever was used how often, if any are kept at all."""
        if self._max_graphs and num_rows not in self._graphs:
            self._make_room()
            self._graphs[num_rows] = self._make(num_rows)

    def settle(self) -> None:
        """Wait for the one that is being made."""
        if self._making is not None:
            self._making.join()

    def _count(self, num_rows: int) -> None:
        self._uses[num_rows] += 1
        if self._uses.total() >= USES_REMEMBERED:
            self._uses = Counter({size: uses // 2 for size, uses in self._uses.items()})

    def _is_worth_making(self, num_rows: int) -> bool:
        """Where there is no room, only if it is used over twice as often as another: two must not displace each other in turn."""
        is_busy = self._making is not None and self._making.is_alive()
        if is_busy or self._uses[num_rows] < USES_TO_PAY or not self._max_graphs:
            return False
        return len(self._graphs) < self._max_graphs or self._uses[num_rows] > 2 * self._uses[self._least_used]

    @property
    def _least_used(self) -> int:
        return min(self._graphs, key=self._uses.__getitem__)

    def _make_room(self) -> None:
        if len(self._graphs) >= self._max_graphs:
            del self._graphs[self._least_used]

    def _make_aside(self, num_rows: int) -> None:
        give_way()
        try:
            self._graphs[num_rows] = self._make(num_rows)
        except (RuntimeError, MemoryError) as err:
            self._max_graphs = 0
            logger.warning("no graph for %d rows, nor for any other number: %s. Steps take up to a third longer.", num_rows, err)
