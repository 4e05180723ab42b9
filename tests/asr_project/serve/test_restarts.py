"""Back-off and shutdown budget: tables, no process and no clock."""

import pytest

from asr_project.serve.restarts import Backoff, grace_of_stage_s, stages_of


def test_delays_double_up_to_thirty_seconds() -> None:
    backoff = Backoff()
    assert [backoff.delay_after(ran_s=0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_run_of_a_minute_wipes_the_slate_clean() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.delay_after(ran_s=1)
    assert [backoff.delay_after(ran_s=60), backoff.delay_after(ran_s=59.9)] == [1, 2]


@pytest.mark.parametrize(
    ("wanted_s", "left_s", "num_later_stages", "expected_s"),
    [
        (5, 30, 4, 5),
        (26, 30, 4, 26),
        (26, 20, 4, 16),
        (26, 4, 4, 1),
        (26, -3, 0, 1),
    ],
)
def test_a_stage_gets_what_it_wants_and_leaves_a_second_for_each_later_one(
    wanted_s: float, left_s: float, num_later_stages: int, expected_s: float
) -> None:
    assert grace_of_stage_s(wanted_s, left_s, num_later_stages) == expected_s


def test_stages_come_in_ascending_order_each_once() -> None:
    assert stages_of([3, 0, 1, 1, 4]) == [0, 1, 3, 4]
