"""The account of a stream: every sample is text, silence or missing, and is counted once."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.account import Account
from inference.messages import Checkpoint


@pytest.fixture
def account() -> Account:
    return Account(Checkpoint())


def test_speech_and_silence_are_counted_apart(account: Account) -> None:
    account.count(100, is_speech=False)
    account.count(150, is_speech=True)

    assert account.checkpoint == Checkpoint(silence_samples=100, transcribed_samples=50)
    assert account.settled == 150


@pytest.mark.parametrize("until", [0, 99, 100])
def test_what_was_counted_is_not_counted_again(account: Account, until: int) -> None:
    account.count(100, is_speech=False)

    assert not account.count(until, is_speech=True)
    assert account.checkpoint == Checkpoint(silence_samples=100)
    assert account.settled == 100


def test_one_sample_is_enough_to_be_counted(account: Account) -> None:
    assert account.count(1, is_speech=True)
    assert account.checkpoint == Checkpoint(transcribed_samples=1)


def test_it_goes_on_at_its_checkpoint() -> None:
    account = Account(Checkpoint(transcribed_samples=70, silence_samples=20, gap_samples=10, next_segment=3))

    counted = [account.count(100, is_speech=True), account.count(101, is_speech=True)]

    assert counted == [False, True]
    assert account.checkpoint == Checkpoint(transcribed_samples=71, silence_samples=20, gap_samples=10, next_segment=3)


@pytest.mark.parametrize("is_speech", [True, False])
def test_missing_samples_are_neither_speech_nor_silence(account: Account, *, is_speech: bool) -> None:
    account.miss(20, 50)

    account.count(100, is_speech=is_speech)

    heard = {"transcribed_samples" if is_speech else "silence_samples": 70}
    assert account.checkpoint == Checkpoint(gap_samples=30, **heard)


def test_of_a_gap_only_what_lies_before_is_counted_and_the_rest_later(account: Account) -> None:
    account.miss(10, 50)

    seen = []
    for until in (10, 11, 49, 50, 60):
        account.count(until, is_speech=False)
        seen.append((account.checkpoint.silence_samples, account.checkpoint.gap_samples))

    assert seen == [(10, 0), (10, 1), (10, 39), (10, 40), (20, 40)]


@pytest.mark.parametrize(
    ("gaps", "num_missing"),
    [
        ([(0, 3), (2, 5)], 5),  # frames of 48 kHz may share a sample
        ([(0, 3), (3, 5)], 5),
        ([(0, 9), (2, 5)], 9),
        ([(0, 1), (0, 1), (0, 1)], 1),
        ([(0, 9), (2, 5), (7, 12)], 12),
        ([(4, 4)], 0),
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 20])
def test_a_sample_that_several_gaps_share_is_missing_once(
    account: Account, gaps: list[tuple[int, int]], num_missing: int, piece: int
) -> None:
    for first, end in gaps:
        account.miss(first, end)

    for until in range(piece, 21, piece):
        account.count(until, is_speech=False)

    assert account.checkpoint == Checkpoint(gap_samples=num_missing, silence_samples=20 - num_missing)


def test_of_a_gap_that_began_before_the_checkpoint_only_the_rest_is_missing() -> None:
    account = Account(Checkpoint(silence_samples=100))
    account.miss(90, 110)

    account.count(120, is_speech=False)

    assert account.checkpoint == Checkpoint(silence_samples=110, gap_samples=10)


def test_the_number_of_the_next_segment_changes_nothing_else(account: Account) -> None:
    account.count(100, is_speech=True)

    account.go_on_with(4)

    assert account.checkpoint == Checkpoint(transcribed_samples=100, next_segment=4)
    assert account.settled == 100


GAPS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), max_size=8)
COUNTS = st.lists(st.tuples(st.integers(0, 420), st.booleans()), max_size=12)


@settings(deadline=None)
@given(GAPS, COUNTS)
@example([(0, 80), (10, 5)], [(12, True), (13, False), (400, True)])
def test_the_counts_are_those_of_a_list_of_all_samples(gaps: list[tuple[int, int]], counts: list[tuple[int, bool]]) -> None:
    account, is_missing, kinds = Account(Checkpoint()), np.zeros(500, dtype=bool), np.full(500, "none")
    for first, length in sorted(gaps):
        account.miss(first, first + length)
        is_missing[first : first + length] = True

    for until, is_speech in counts:
        account.count(until, is_speech=is_speech)
        place = slice(int((kinds != "none").sum()), until)
        kinds[place] = np.where(is_missing[place], "gap", "text" if is_speech else "mute")

    num = {kind: int((kinds == kind).sum()) for kind in ("text", "mute", "gap")}
    assert account.checkpoint == Checkpoint(transcribed_samples=num["text"], silence_samples=num["mute"], gap_samples=num["gap"])
    assert account.checkpoint.settled_samples == account.settled
