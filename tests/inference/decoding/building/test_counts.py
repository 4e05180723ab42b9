from collections import Counter

from inference.decoding.building.counts import adjusted, count

LINES = [["a", "b"], ["a"]]


def test_lines_stand_between_their_start_and_their_end() -> None:
    single, pairs = count(LINES, 2)

    assert single == Counter({("a",): 2, ("b",): 1, ("</s>",): 2})
    assert pairs == Counter({("<s>", "a"): 2, ("a", "b"): 1, ("b", "</s>"): 1, ("a", "</s>"): 1})


def test_shorter_rows_count_once_for_each_word_that_comes_before_them() -> None:
    single, pairs = adjusted(count(LINES, 2))

    assert single == Counter({("a",): 1, ("b",): 1, ("</s>",): 2})
    assert pairs[("<s>", "a")] == 2


def test_shorter_rows_that_begin_a_line_count_as_often_as_they_occur() -> None:
    assert adjusted(count([*LINES, ["a", "b"]], 3))[1] == Counter(
        {("<s>", "a"): 3, ("a", "b"): 1, ("b", "</s>"): 1, ("a", "</s>"): 1}
    )
