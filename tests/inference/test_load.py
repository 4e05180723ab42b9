"""How much an inference process has to do, on a clock of the test's own."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from inference.load import LoadMeter, Overload, Pulse, Result, thread_cpu_clock
from inference.messages import StreamOpened, Timings, TranscriptUpdated


@dataclass
class Thread:
    """A recognition thread whose time passes when a test says so."""

    now_s: float = 100.0
    cpu_s: float = 5.0

    def __post_init__(self) -> None:
        self.pulse = Pulse(lambda: self.now_s, lambda: self.cpu_s)
        self.meter = LoadMeter(self.pulse, max_streams=2, max_delay_ms=1_000)

    def compute(self, seconds: float) -> None:
        self.now_s += seconds
        self.cpu_s += seconds

    def wait(self, seconds: float) -> None:
        """For something that is no request: a lock, a device."""
        self.now_s += seconds

    def rest(self, seconds: float) -> None:
        with self.pulse.resting():
            self.now_s += seconds


def a_result(delay_ms: float, *, is_final: bool = True) -> Result:
    return Result(is_final, Timings(queue_ms=delay_ms - 1.0, infer_ms=1.0))


LATE = [a_result(1_500.0)]
IN_TIME = [a_result(400.0)]


def learned(overload: Overload, seconds: Sequence[tuple[float, list[Result]]]) -> list[bool]:
    """Whether there was an overload after each second."""
    states = []
    for busy, results in seconds:
        overload.learn(busy, results)
        states.append(overload.is_overloaded)
    return states


def an_overload() -> Overload:
    overload = Overload(1_000)
    learned(overload, [(1.0, LATE)] * 10)
    assert overload.is_overloaded
    return overload


def test_texts_that_come_too_late_for_seconds_are_an_overload() -> None:
    states = learned(Overload(1_000), [(1.0, LATE)] * 5)

    assert states == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("max_delay_ms", "second"),
    [
        pytest.param(1_000, (0.8, LATE), id="there are rests"),
        pytest.param(1_000, (1.0, [a_result(900.0)]), id="in time"),
        pytest.param(1_000, (1.0, [a_result(1_800.0, is_final=False)]), id="only partials are late"),
        pytest.param(1_000, (1.0, []), id="nobody speaks"),
        pytest.param(0, (1.0, [a_result(60_000.0)]), id="no limit was set"),
    ],
)
def test_what_is_no_overload(max_delay_ms: int, second: tuple[float, list[Result]]) -> None:
    assert not any(learned(Overload(max_delay_ms), [second] * 30))


def test_one_late_second_is_no_overload() -> None:
    assert not any(learned(Overload(1_000), [(1.0, IN_TIME), (1.0, LATE), (1.0, IN_TIME)] * 10))


def test_a_step_that_lasts_for_seconds_takes_nothing_back() -> None:
    seconds = [(1.0, [a_result(9_000.0)]), (1.0, []), (1.0, [])]

    assert learned(Overload(1_000), seconds)[-1]


def test_nobody_is_let_in_before_there_is_room_for_somebody() -> None:
    assert all(learned(an_overload(), [(1.0, [a_result(800.0)])] * 30))


@pytest.mark.parametrize("second", [(1.0, IN_TIME), (0.5, LATE), (0.0, [])], ids=["in time", "with rests", "all have gone"])
def test_an_overload_is_over_when_it_was_better_for_some_seconds(second: tuple[float, list[Result]]) -> None:
    states = learned(an_overload(), [second] * 9)

    assert states[:4] == [True] * 4
    assert not states[-1]


def test_a_thread_that_does_not_rest_and_answers_late_reports_an_overload() -> None:
    thread = Thread()
    loads = []
    for _ in range(6):
        thread.compute(1.0)
        thread.pulse.delivered([an_update(5_000.0)])
        loads.append(thread.meter.report(1))

    assert [load.is_overloaded for load in loads] == [False] * 2 + [True] * 4
    assert not any(load.is_full for load in loads)


def an_update(queue_ms: float) -> TranscriptUpdated:
    timings = Timings(queue_ms=queue_ms, infer_ms=1.0)
    return TranscriptUpdated(stream=1, segment=0, text="", stable="", start_ms=0, end_ms=0, timings=timings)


def busy_after_long(thread: Thread, *, computed_s: float, rested_s: float) -> float:
    """What is reported after many seconds of the same kind."""
    busy = 0.0
    for _ in range(30):
        thread.compute(computed_s)
        thread.rest(rested_s)
        busy = thread.meter.report(0).busy
    return busy


@pytest.mark.parametrize(("computed_s", "rested_s"), [(1.0, 0.0), (0.25, 0.75), (0.0, 1.0)])
def test_busy_is_the_share_of_time_without_rest(computed_s: float, rested_s: float) -> None:
    assert busy_after_long(Thread(), computed_s=computed_s, rested_s=rested_s) == pytest.approx(computed_s, abs=0.01)


def test_a_rest_that_goes_on_counts() -> None:
    thread = Thread()
    busy_after_long(thread, computed_s=1.0, rested_s=0.0)

    with thread.pulse.resting():
        for _ in range(30):
            thread.now_s += 1.0
            load = thread.meter.report(0)

    assert load.busy == pytest.approx(0.0, abs=0.01)
    assert load.stalled_ms == 0


def test_a_report_right_after_the_start_says_nothing_of_being_busy() -> None:
    thread = Thread()
    thread.compute(0.001)

    assert thread.meter.report(0).busy == 0.0


def test_one_quiet_second_does_not_make_a_busy_process_look_idle() -> None:
    thread = Thread()
    busy_after_long(thread, computed_s=1.0, rested_s=0.0)

    thread.rest(1.0)

    assert thread.meter.report(0).busy > 0.5


def test_the_wait_of_results_is_averaged_over_each_report() -> None:
    thread = Thread()
    thread.pulse.delivered([StreamOpened(stream=1, model="fake", language="en"), an_update(100.0)])
    thread.pulse.delivered([an_update(300.0)])

    assert [thread.meter.report(0).queue_ms for _ in range(2)] == [200.0, 0.0]


@pytest.mark.parametrize(("num_streams", "is_full"), [(0, False), (1, False), (2, True)])
def test_full_is_the_number_of_streams_at_which_the_next_is_refused(num_streams: int, *, is_full: bool) -> None:
    load = Thread().meter.report(num_streams)

    assert (load.num_streams, load.is_full, load.num_free) == (num_streams, is_full, 2 - num_streams)


def test_a_pass_that_lasts_is_told_and_the_next_one_clears_it() -> None:
    thread = Thread()
    thread.compute(3.0)
    assert thread.meter.report(0).stalled_ms == 3_000

    thread.pulse.begin_pass()

    assert thread.meter.report(0).stalled_ms == 0


@pytest.mark.parametrize(
    ("computed_s", "waited_s", "is_stuck"),
    [
        pytest.param(0.0, 4.9, False, id="not long enough"),
        pytest.param(0.0, 5.0, True, id="waits for what will not come"),
        pytest.param(0.05, 5.0, True, id="all but idle"),
        pytest.param(6.0, 0.0, False, id="a long batch"),
        pytest.param(1.0, 20.0, False, id="a long batch on a machine that others use"),
        pytest.param(30.0, 0.0, True, id="runs away"),
        pytest.param(2.0, 28.0, True, id="stuck after some work"),
    ],
)
def test_a_thread_is_stuck_if_it_waits_long_or_computes_very_long(computed_s: float, waited_s: float, *, is_stuck: bool) -> None:
    thread = Thread()
    thread.compute(computed_s)
    thread.wait(waited_s)

    assert thread.pulse.is_stuck is is_stuck


def test_a_pass_that_report_after_report_finds_is_stuck() -> None:
    thread = Thread()
    states = []
    for _ in range(6):
        thread.wait(1.0)
        thread.meter.report(1)
        states.append(thread.meter.is_stuck)

    assert states == [False] * 4 + [True] * 2


def test_a_process_that_was_stopped_itself_does_not_blame_its_thread() -> None:
    """A paused container: a minute has passed for every thread."""
    thread = Thread()
    thread.wait(1.0)
    thread.meter.report(1)
    thread.wait(60.0)
    for _ in range(2):
        thread.meter.report(1)
        assert thread.pulse.is_stuck
        assert not thread.meter.is_stuck
        thread.wait(0.5)

    thread.pulse.begin_pass()
    thread.meter.report(1)

    assert not thread.meter.is_stuck


def test_a_thread_that_rests_is_never_stuck() -> None:
    thread = Thread()
    with thread.pulse.resting():
        thread.now_s += 3_600.0
        assert not thread.pulse.is_stuck

    assert not thread.pulse.is_stuck


def test_the_processor_time_of_a_thread_is_read_from_another() -> None:
    clocks: list[Callable[[], float]] = []
    has_worked, may_end = threading.Event(), threading.Event()

    def work() -> None:
        clocks.append(thread_cpu_clock())
        sum(number * number for number in range(200_000))
        has_worked.set()
        may_end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    has_worked.wait()

    used_s = clocks[0]()
    has_not_used_s = clocks[0]() - used_s
    may_end.set()
    thread.join()

    assert used_s > 0.001
    assert has_not_used_s == pytest.approx(0.0, abs=0.001)
