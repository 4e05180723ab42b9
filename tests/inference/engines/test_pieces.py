"""SentencePiece's models are read without SentencePiece, and what is none is refused."""

import pytest

from inference.engines.pieces import sentencepiece_tokens
from inference.errors import WeightsError
from tests.inference.engines.conformer_ctc.weights.models import PIECES, sentencepiece_model


@pytest.mark.parametrize(("model_type", "merges"), [(1, False), (2, True)])
def test_pieces_scores_and_kind_are_read(*, model_type: int, merges: bool) -> None:
    tokens = sentencepiece_tokens(sentencepiece_model(model_type=model_type), "tokenizer.model")

    assert tokens.pieces == PIECES
    assert tokens.scores == (0.0, -1.0, -2.0, -3.0, -4.0, -5.0)
    assert tokens.merges == merges


@pytest.mark.parametrize("content", [b"", b"\x0a", b"\xff" * 12, b"\x0a\x02\x08\x01", b"\x0a\x03\x0a\x01\xff", b"\x0b", b"{}"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="tokenizer.model"):
        sentencepiece_tokens(content, "tokenizer.model")


def test_a_model_that_is_cut_off_is_refused() -> None:
    with pytest.raises(WeightsError, match="is damaged"):
        sentencepiece_tokens(sentencepiece_model()[:-20], "tokenizer.model")


def test_an_empty_piece_is_refused() -> None:
    with pytest.raises(WeightsError, match="piece 1 is empty"):
        sentencepiece_tokens(sentencepiece_model(("a", "")), "tokenizer.model")
