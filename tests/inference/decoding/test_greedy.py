import math

from inference.decoding.decoded import Decoded, Word
from inference.decoding.greedy import GreedyDecoder
from tests.inference.decoding.frames import LETTERS, frames, spoken


def heard(row: str) -> GreedyDecoder:
    decoder = GreedyDecoder(LETTERS, 40)
    decoder.push(spoken(LETTERS, row))
    return decoder


def test_repeats_count_once_and_a_blank_between_makes_them_two() -> None:
    assert heard("_hhe_l_loo_").finish().text == "hello"


def test_the_last_word_is_not_stable_before_a_space_follows() -> None:
    assert (heard("a b").partial().stable, heard("a b ").partial().stable) == ("a", "a b")


def test_nothing_said_is_nothing() -> None:
    assert heard("___").finish() == Decoded("", "", 0.0)


def test_words_have_times_from_their_first_to_their_last_frame() -> None:
    assert heard("_ab__ _c__").finish().words == (Word("ab", 40, 120, 0.9), Word("c", 280, 320, 0.9))


def test_confidence_is_the_geometric_mean_of_the_surest_frames_of_the_tokens() -> None:
    decoder = GreedyDecoder(LETTERS, 40)
    decoder.push(frames(LETTERS, [{"a": 0.5}, {"a": 0.8}, {"b": 0.45}]))

    assert math.isclose(decoder.finish().confidence, math.sqrt(0.8 * 0.45), rel_tol=1e-5)


def test_frames_in_pieces_say_the_same_as_all_at_once() -> None:
    log_probs = spoken(LETTERS, "_hhe_l_loo_  wwor_ld")
    decoder = GreedyDecoder(LETTERS, 40)
    for first in range(0, len(log_probs), 3):
        decoder.push(log_probs[first : first + 3])
    decoder.push(log_probs[:0])

    assert decoder.finish() == heard("_hhe_l_loo_  wwor_ld").finish()


def test_frames_behind_the_end_of_the_segment_do_not_count() -> None:
    assert heard("ab cc").finish(4) == heard("ab c").finish()
