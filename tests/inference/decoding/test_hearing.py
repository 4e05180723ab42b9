import numpy as np
import pytest

from inference.decoding.hearing import Heard
from tests.inference.decoding.frames import LETTERS, frames, spoken

ROW = [{"_": 0.99}, {"_": 0.99}, {"a": 0.9}, {"_": 0.99}, {"_": 0.99}, {"_": 0.7}, {"_": 0.99}, {"_": 0.99}, {"_": 0.99}]
WORTH = [0, 2, 3, 5, 6]


@pytest.mark.parametrize("step", [1, 2, 4, 9])
def test_of_blanks_in_a_row_one_is_worth_a_look_however_they_come(step: int) -> None:
    log_probs, heard = frames(LETTERS, ROW), Heard(LETTERS)

    worth = [heard.take(log_probs[first : first + step]) for first in range(0, len(ROW), step)]

    assert np.array_equal(np.concatenate(worth), log_probs[WORTH])
    assert np.array_equal(heard.worth_hearing(), log_probs[WORTH])
    assert np.array_equal(heard.log_probs(), log_probs)


def test_frames_are_kept_when_what_they_came_in_is_written_over() -> None:
    log_probs, heard = spoken(LETTERS, "ab"), Heard(LETTERS)
    heard.take(log_probs)
    log_probs[:] = 0

    assert heard.likeliest_text() == "ab"


def test_only_the_beginning_can_be_kept() -> None:
    heard = Heard(LETTERS)
    heard.take(spoken(LETTERS, "ab_bcc"))

    assert (heard.is_longer_than(4), heard.is_longer_than(6), heard.is_longer_than(None)) == (True, False, False)
    assert (heard.up_to(4).likeliest_text(), heard.likeliest_text()) == ("abb", "abbc")


def test_nothing_says_nothing() -> None:
    heard = Heard(LETTERS)
    heard.take(spoken(LETTERS, ""))

    assert (heard.num_frames, heard.likeliest_text(), heard.log_probs().shape) == (0, "", (0, 28))
