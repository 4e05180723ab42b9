import math
from itertools import groupby, product

import numpy as np
import pytest

from inference.decoding.likelihood import log_likelihoods

BLANK = 2


def by_hand(log_probs: np.ndarray, text: tuple[int, ...]) -> float:
    """The sum over every row of tokens that writes `text`."""
    ways = product(range(3), repeat=len(log_probs))
    writing = (way for way in ways if tuple(token for token, _run in groupby(way) if token != BLANK) == text)
    total = sum(math.exp(sum(log_probs[frame, token] for frame, token in enumerate(way))) for way in writing)
    return math.log(total) if total else -math.inf


def test_all_ways_to_say_a_text_are_summed_for_many_texts_at_once() -> None:
    log_probs = np.log(np.random.default_rng(3).dirichlet([1, 1, 1], size=5)).astype(np.float32)
    texts = [(), (0,), (0, 1), (0, 0), (1, 0, 1), (0, 0, 0), (0, 0, 0, 0)]

    found = log_likelihoods(log_probs, texts, BLANK)

    assert found == pytest.approx([by_hand(log_probs, text) for text in texts], abs=1e-4)
    assert found[-1] == -math.inf


def test_the_likelihoods_of_all_texts_there_are_add_up_to_one() -> None:
    log_probs = np.log(np.random.default_rng(4).dirichlet([1, 1, 1], size=4)).astype(np.float32)
    texts = [text for length in range(5) for text in product(range(2), repeat=length)]

    assert sum(map(math.exp, log_likelihoods(log_probs, texts, BLANK))) == pytest.approx(1.0, abs=1e-4)
