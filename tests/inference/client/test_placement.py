"""Which inference process takes the next stream, as a table."""

import pytest
from msgspec import structs

from inference.client.placement import Candidate, best_fitting, least_loaded
from inference.messages import ModelInfo, StreamOptions, WorkerLoad

ENGLISH = ModelInfo(name="tiny.en", engine="whisper", languages=("en",), multilingual=False)
MANY = ModelInfo(name="base", engine="whisper", languages=("en", "de", "zh"), multilingual=True)


def worker(
    num_streams: int = 0,
    *,
    busy: float = 0.0,
    queue_ms: float = 0.0,
    is_full: bool = False,
    num_placed: int = 0,
    num_ended: int = 0,
) -> Candidate:
    load = WorkerLoad(num_streams=num_streams, busy=busy, queue_ms=queue_ms, is_full=is_full)
    return Candidate((ENGLISH, MANY), load, num_placed, num_ended)


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        pytest.param([], None, id="nobody"),
        pytest.param([worker(), worker()], 0, id="equals: the first"),
        pytest.param([worker(1), worker(0)], 1, id="idle both: fewer streams"),
        pytest.param([worker(3, busy=0.7), worker(5, busy=0.55)], 0, id="about as busy: fewer streams"),
        pytest.param([worker(3, busy=0.9), worker(400, busy=0.1)], 1, id="many quiet streams are lighter than a few speakers"),
        pytest.param([worker(8, busy=1.0, queue_ms=900), worker(9, busy=1.0, queue_ms=100)], 1, id="both busy: less delay"),
        pytest.param([worker(0, num_placed=1), worker(0)], 1, id="what was just placed counts at once"),
        pytest.param([worker(3), worker(0, num_placed=2)], 1, id="what others have placed counts as much"),
        pytest.param([worker(1), worker(6, num_ended=6)], 1, id="what has just ended counts no more"),
        pytest.param([worker(0, num_placed=9), worker(2, busy=0.2)], 1, id="a burst does not all go to the one that was idle"),
        pytest.param([worker(2, is_full=True), worker(9, busy=1.0)], 1, id="a full one is no choice"),
        pytest.param([worker(2, is_full=True), worker(1, is_full=True)], 1, id="unless all are full"),
    ],
)
def test_the_least_loaded_process_is_chosen(candidates: list[Candidate], chosen: int | None) -> None:
    assert least_loaded(candidates) == chosen


def test_a_burst_between_two_reports_is_shared_out() -> None:
    placed = [0, 0, 0]
    for _ in range(30):
        position = least_loaded([worker(num_placed=number) for number in placed])
        assert position is not None
        placed[position] += 1

    assert placed == [10, 10, 10]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (StreamOptions(languages=("en",)), True),
        (StreamOptions(languages=("de", "zh")), True),
        (StreamOptions(languages=("fr",)), False),
        (StreamOptions(), True),
        (StreamOptions(model="tiny.en", languages=("en",)), True),
        (StreamOptions(model="tiny.en", languages=("de",)), False),
        (StreamOptions(model="tiny.en"), False),
        (StreamOptions(model="base"), True),
        (StreamOptions(model="large"), False),
    ],
)
def test_a_process_is_a_candidate_if_a_model_of_it_can_serve_the_stream(options: StreamOptions, *, expected: bool) -> None:
    assert worker().can_serve(options) is expected


TWO = StreamOptions(model="base", partial_model="tiny.en", languages=("en",))


@pytest.mark.parametrize(
    ("models", "options", "expected"),
    [
        ([(MANY,), (ENGLISH, MANY)], TWO, [1]),  # the one that has both
        ([(MANY,), (ENGLISH,)], TWO, [0]),  # finals can be written
        ([(ENGLISH,), (ENGLISH,)], TWO, []),
        ([(MANY,), (ENGLISH, MANY)], structs.replace(TWO, languages=("de",)), [0, 1]),  # the fast one would not help
        ([(MANY,), (ENGLISH, MANY)], structs.replace(TWO, partial_model=None), [0, 1]),
        ([(MANY,), (structs.replace(ENGLISH, is_draining=True), MANY)], TWO, [0, 1]),  # it goes
    ],
)
def test_a_stream_of_two_models_is_placed_where_both_are(
    models: list[tuple[ModelInfo, ...]], options: StreamOptions, expected: list[int]
) -> None:
    assert best_fitting([Candidate(each, WorkerLoad()) for each in models], options) == expected


def test_a_stream_of_two_models_is_placed_where_there_is_room_rather_than_where_both_are() -> None:
    full = Candidate((ENGLISH, MANY), WorkerLoad(is_full=True))

    assert best_fitting([full, Candidate((MANY,), WorkerLoad())], TWO) == [0, 1]
