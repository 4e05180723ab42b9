"""Who runs next: tables."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.batching import MAX_INCREMENTAL_BATCH, MAX_PERIOD_S, Gathering, Pace, Wish, choose

FINAL, PARTIAL = True, False


def wish(key: int, since_s: float, *, is_final: bool = PARTIAL, model: str = "a") -> Wish:
    return Wish(key, model, is_final, since_s)


def first(key: int, since_s: float) -> Wish:
    return Wish(key, "a", PARTIAL, since_s, is_first=True)


@pytest.mark.parametrize(
    ("name", "wishes", "max_batch", "expected"),
    [
        ("nobody wants anything", [], 4, []),
        ("one", [wish(1, 5.0)], 4, [1]),
        ("the oldest first", [wish(1, 5.0), wish(2, 3.0), wish(3, 4.0)], 4, [2, 3, 1]),
        ("no more than fit", [wish(1, 5.0), wish(2, 3.0), wish(3, 4.0)], 2, [2, 3]),
        ("a final before older partials", [wish(1, 1.0), wish(2, 9.0, is_final=FINAL)], 4, [2]),
        ("a first text before older text that grows", [wish(1, 1.0), first(2, 9.0), first(3, 8.0)], 4, [3, 2, 1]),
        ("a final before a first text", [first(1, 1.0), wish(2, 9.0, is_final=FINAL)], 4, [2]),
        ("finals among themselves by age", [wish(1, 2.0, is_final=FINAL), wish(2, 1.0, is_final=FINAL)], 4, [2, 1]),
        ("one model a batch", [wish(1, 1.0, model="a"), wish(2, 2.0, model="b"), wish(3, 3.0, model="a")], 4, [1, 3]),
        ("the oldest chooses the model", [wish(1, 2.0, model="a"), wish(2, 1.0, model="b")], 4, [2]),
        (
            "a final chooses the model",
            [wish(1, 1.0, model="a"), wish(2, 2.0, model="b", is_final=FINAL), wish(3, 0.0, model="b")],
            4,
            [2],
        ),
    ],
)
def test_choice(name: str, wishes: list[Wish], max_batch: int, expected: list[int]) -> None:
    assert [chosen.key for chosen in choose(wishes, max_batch)] == expected, name


@pytest.mark.parametrize(
    ("name", "lengths", "max_samples", "expected"),
    [
        ("all of it", [5, 5, 5], 15, [0, 1, 2]),
        ("as much as fits", [5, 5, 5], 14, [0, 1]),
        ("one that is too long goes alone", [50, 5], 14, [0]),
        ("a long one ends the batch, the next are not let past it", [5, 50, 5], 14, [0]),
    ],
)
def test_a_batch_holds_no_more_audio_than_the_model_gets_through(
    name: str, lengths: list[int], max_samples: float, expected: list[int]
) -> None:
    wishes = [Wish(key, "a", PARTIAL, float(key), num_samples) for key, num_samples in enumerate(lengths)]

    assert [each.key for each in choose(wishes, 9, {"a": max_samples}.__getitem__)] == expected, name


def test_a_pace_sets_no_bound_before_it_has_learned() -> None:
    assert Pace().samples_in(0.2) == math.inf


def test_a_pace_follows_what_batches_take() -> None:
    pace = Pace()
    pace.learn(16_000, 0.1)
    assert pace.samples_in(0.2) == pytest.approx(32_000)

    for _ in range(50):
        pace.learn(16_000, 0.4)

    assert pace.samples_in(0.2) == pytest.approx(8_000, rel=0.05)


def test_a_batch_without_audio_teaches_nothing() -> None:
    pace = Pace()

    pace.learn(0, 0.1)

    assert pace.samples_in(0.2) == math.inf


wish_lists = st.lists(
    st.builds(Wish, key=st.integers(0, 99), model=st.sampled_from("ab"), is_final=st.booleans(), since_s=st.floats(0, 9)),
    max_size=20,
    unique_by=lambda each: each.key,
)


@settings(deadline=None)
@given(wish_lists, st.integers(1, 5))
def test_everybody_runs_in_the_end_and_the_oldest_of_the_best_kind_first(wishes: list[Wish], max_batch: int) -> None:
    waiting = list(wishes)
    for _round in range(len(wishes)):
        chosen = choose(waiting, max_batch)
        best = min(waiting, key=lambda each: (not each.is_final, each.since_s), default=None)
        assert chosen[:1] == ([] if best is None else [best])
        assert len({(each.model, each.is_final) for each in chosen}) <= 1
        waiting = [each for each in waiting if each not in chosen]
    assert waiting == []


def short(key: int, since_s: float, *, is_final: bool = PARTIAL) -> Wish:
    return Wish(key, "fast", is_final, since_s, is_incremental=True)


MIXED = [wish(1, 1.0, is_final=FINAL), short(2, 5.0), short(3, 4.0, is_final=FINAL), wish(4, 2.0, model="b")]


@pytest.mark.parametrize(
    ("wishes", "is_turn_of_short", "expected"),
    [
        (MIXED, False, [1]),  # the oldest final
        (MIXED, True, [3, 2]),  # short steps together, their finals first
        ([wish(1, 1.0, is_final=FINAL), wish(4, 2.0)], True, [1]),  # there are none
    ],
)
def test_after_a_long_batch_short_steps_have_their_turn(wishes: list[Wish], is_turn_of_short: bool, expected: list[int]) -> None:
    assert [chosen.key for chosen in choose(wishes, 4, is_turn_of_short=is_turn_of_short)] == expected


@pytest.mark.parametrize(
    ("name", "wishes", "expected"),
    [
        ("finals and partials", [short(1, 1.0), short(2, 2.0, is_final=FINAL), short(3, 0.0)], [2, 3, 1]),
        ("more than a batch of long ones", [short(key, float(key)) for key in range(6)], [0, 1, 2, 3, 4, 5]),
        ("of one model", [short(1, 1.0), Wish(2, "b", PARTIAL, 2.0, is_incremental=True)], [1]),
        ("no more than engines like", [short(key, float(key)) for key in range(80)], [*range(MAX_INCREMENTAL_BATCH)]),
    ],
)
def test_short_steps_go_together(name: str, wishes: list[Wish], expected: list[int]) -> None:
    assert [chosen.key for chosen in choose(wishes, 4)] == expected, name


def test_passes_are_apart_while_there_are_many_short_steps() -> None:
    gathering = Gathering(0.0)
    assert gathering.period_s(0.0) == 0.0

    for tick in range(300):
        gathering.learn(7, tick * 0.02)  # 350 a second: seventy speakers

    assert gathering.period_s(6.0) == MAX_PERIOD_S
    assert gathering.period_s(12.0) < 0.001


def test_one_speaker_hardly_waits() -> None:
    gathering = Gathering(0.0)
    for tick in range(50):
        gathering.learn(1, tick * 0.2)

    assert gathering.period_s(10.0) <= 0.0012


def test_a_clock_that_goes_back_is_borne() -> None:
    gathering = Gathering(1_000_000.0)
    gathering.learn(1, 1.0)

    assert gathering.period_s(0.5) <= MAX_PERIOD_S
