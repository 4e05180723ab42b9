import numpy as np
import pytest

from inference.decoding.ngrams.hashing import Index, hash_of, keys_of, num_places, places_of


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (b"<unk>", 0xEA91E7561F5B392B),
        (b"mocha", 0x024BD2E6650A91BA),
        (b"twentyfirst", 0x9D23AE6611E2144E),
        (b"\xe4\xb8\xad", 0x5C9942018CF630FE),
    ],
)
def test_words_have_kenlms_hashes(word: bytes, expected: int) -> None:
    """As its own code gives them."""
    assert hash_of(word) == expected


def test_the_key_of_an_n_gram_begins_with_its_last_word() -> None:
    pairs, single = keys_of(np.array([[3, 7]], np.uint32)), keys_of(np.array([[7]], np.uint32))
    longer = keys_of(np.array([[9, 3, 7], [9, 3, 8]], np.uint32))

    expected = (int(pairs[0]) * 8978948897894561157 ^ 10 * 17894857484156487943) % 2**64
    assert (int(single[0]), int(longer[0])) == (7, expected)
    assert longer[0] != longer[1]


def test_an_index_says_where_keys_are() -> None:
    index = Index(np.array([50, 10, 30], np.uint64))

    assert index.find(np.array([10, 20, 50, 99], np.uint64)).tolist() == [1, -1, 0, -1]
    assert Index(np.zeros(0, np.uint64)).find(np.array([1], np.uint64)).tolist() == [-1]


def probed(table: dict[int, int], key: int, size: int) -> int:
    """Where KenLM finds it: place by place from where it should lie, until one is free."""
    place = key % size
    while place in table and table[place] != key:
        place = (place + 1) % size
    assert place in table, "a free place came before it"
    return place


@pytest.mark.parametrize("keys", [[7, 8, 15, 23, 31, 6], list(range(100)), [10, 32, 21, 9, 20, 53, 8], []])
def test_every_key_is_found_from_where_it_should_lie_on(keys: list[int]) -> None:
    size = num_places(len(keys))
    places = places_of(np.array(keys, np.uint64), size).tolist()
    table = dict(zip(places, keys, strict=True))

    assert len(table) == len(keys)
    assert [probed(table, key, size) for key in keys] == places
