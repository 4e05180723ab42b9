"""Which numbers of rows get a graph of their own, and what becomes of it."""

import os
import sys
import threading
from collections.abc import Callable

import pytest

from inference.engines.conformer_ctc.runtimes.sized import USES_REMEMBERED, USES_TO_PAY, SizedGraphs
from inference.priority import NICENESS


def graphs_of(max_graphs: int = 2, make: Callable[[int], str] = lambda num_rows: f"for {num_rows}") -> SizedGraphs[str]:
    return SizedGraphs(make, max_graphs)


def used(graphs: SizedGraphs[str], num_rows: int, times: int) -> None:
    for _ in range(times):
        graphs.find(num_rows)
    graphs.settle()


def test_what_comes_often_gets_one() -> None:
    graphs = graphs_of()

    used(graphs, 8, USES_TO_PAY - 1)
    assert 8 not in graphs

    used(graphs, 8, 1)
    assert graphs.find(8) == "for 8"


def test_nobody_waits_while_one_is_made_and_only_one_is_made_at_a_time() -> None:
    is_made, asked = threading.Event(), []

    def slowly(num_rows: int) -> str:
        asked.append(num_rows)
        is_made.wait(10)
        return f"for {num_rows}"

    graphs = graphs_of(make=slowly)
    for num_rows in [8, 16] * USES_TO_PAY:
        assert graphs.find(num_rows) is None
    is_made.set()
    graphs.settle()

    assert (asked, graphs.find(8)) == ([8], "for 8")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
def test_making_one_gives_way_to_what_people_wait_for() -> None:
    niceness: list[int] = []
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def make(num_rows: int) -> str:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return f"for {num_rows}"

    used(graphs_of(make=make), 8, USES_TO_PAY)

    assert niceness == [max(NICENESS, before)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_the_least_used_one_gives_way_to_one_that_is_used_over_twice_as_often() -> None:
    graphs = graphs_of()
    used(graphs, 1, 2 * USES_TO_PAY)
    used(graphs, 8, USES_TO_PAY)

    used(graphs, 16, 2 * USES_TO_PAY)
    assert 16 not in graphs

    used(graphs, 16, 1)
    assert [num_rows in graphs for num_rows in (1, 8, 16)] == [True, False, True]


def test_what_came_often_long_ago_gives_way() -> None:
    graphs = graphs_of(max_graphs=1)
    used(graphs, 1, USES_REMEMBERED // 2)

    used(graphs, 8, USES_REMEMBERED)

    assert (1 in graphs, 8 in graphs) == (False, True)


def test_where_there_is_no_room_for_any_none_is_made() -> None:
    graphs = graphs_of(max_graphs=0)

    used(graphs, 8, 3 * USES_TO_PAY)
    graphs.prepare(8)

    assert 8 not in graphs


def test_after_one_that_cannot_be_made_the_general_graph_goes_on_alone(caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    def fail(num_rows: int) -> str:
        asked.append(num_rows)
        raise RuntimeError("out of memory")

    graphs = graphs_of(make=fail)
    used(graphs, 8, 2 * USES_TO_PAY)
    used(graphs, 16, 2 * USES_TO_PAY)

    assert (asked, graphs.find(8)) == ([8], None)
    assert caplog.messages == ["no graph for 8 rows, nor for any other number: out of memory. Steps take up to a third longer."]
