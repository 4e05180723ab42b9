from itertools import product

import numpy as np
import pytest

from inference.decoding.alignment import align
from inference.decoding.spans import Span
from inference.decoding.tokens import Tokens
from tests.inference.decoding.frames import LETTERS, frames, spoken


def aligned(log_probs: np.ndarray, text: str) -> list[tuple[str, int, int]]:
    ids = [LETTERS.by_piece[letter.replace(" ", "\u2581")] for letter in text]
    return [(LETTERS.pieces[span.token], span.first_frame, span.end_frame) for span in align(log_probs, ids, LETTERS)]


def test_tokens_lie_where_they_were_said() -> None:
    assert aligned(spoken(LETTERS, "_aa__b_"), "ab") == [("a", 1, 3), ("b", 5, 6)]


def test_the_same_token_twice_has_a_blank_between() -> None:
    assert aligned(spoken(LETTERS, "aa_aa"), "aa") == [("a", 0, 2), ("a", 3, 5)]


def test_a_text_that_was_not_the_likeliest_is_found_at_its_best_place() -> None:
    log_probs = frames(LETTERS, [{"_": 0.9}, {"u": 0.6, "a": 0.3}, {"_": 0.9}, {"u": 0.6, "a": 0.1}])

    (span,) = align(log_probs, [LETTERS.by_piece["a"]], LETTERS)

    assert (span.first_frame, span.end_frame) == (1, 2)
    assert span.log_prob == pytest.approx(np.log(0.3))


def test_a_space_may_have_been_left_out() -> None:
    assert aligned(spoken(LETTERS, "a_b"), "a b") == [("a", 0, 1), ("\u2581", 1, 2), ("b", 2, 3)]
    assert aligned(spoken(LETTERS, "ab"), "a b") == [("a", 0, 1), ("b", 1, 2)]


def test_long_texts_are_aligned() -> None:
    text = "abcdefghij" * 20

    assert aligned(spoken(LETTERS, text), text) == [(letter, place, place + 1) for place, letter in enumerate(text)]


def test_nothing_needs_no_frames() -> None:
    assert align(spoken(LETTERS, ""), [], LETTERS) == []


def test_more_tokens_than_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="3 tokens do not fit into 2 frames"):
        aligned(spoken(LETTERS, "ab"), "abc")


def test_no_other_way_through_the_frames_is_likelier() -> None:
    tokens, ids = Tokens(["a", "b"]), [0, 0, 1]
    log_probs = np.log(np.random.default_rng(0).dirichlet([1, 1, 1], size=6)).astype(np.float32)

    found = align(log_probs, ids, tokens)

    assert found == max(map(_spans, _ways(ids, 6)), key=lambda spans: _log_prob(log_probs, spans))


def _ways(ids: list[int], num_frames: int) -> list[tuple[int, ...]]:
    """All rows of frames that write `ids`: every row of tokens there is, sifted."""
    return [way for way in product(range(3), repeat=num_frames) if [span.token for span in _spans(way)] == ids]


def _spans(way: tuple[int, ...]) -> list[Span]:
    found: list[Span] = []
    for frame, token in enumerate(way):
        if token != 2 and (frame == 0 or way[frame - 1] != token):
            found.append(Span(token, frame, frame, 0.0))
        if token != 2:
            found[-1].end_frame = frame + 1
    return found


def _log_prob(log_probs: np.ndarray, spans: list[Span]) -> float:
    total = float(log_probs[:, 2].sum())
    for span in spans:
        said = log_probs[span.first_frame : span.end_frame]
        span.log_prob = float(said[:, span.token].max())
        total += float((said[:, span.token] - said[:, 2]).sum())
    return total
