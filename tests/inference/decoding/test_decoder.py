from pathlib import Path

import pytest

from inference.decoding.beam import BeamDecoder
from inference.decoding.decoder import open_decoder
from inference.decoding.greedy import GreedyDecoder
from inference.decoding.prefix import PrefixDecoder
from tests.inference.decoding.frames import LETTERS
from tests.inference.decoding.lm_of import lm_of


def test_nothing_to_look_up_is_decoded_greedily() -> None:
    assert isinstance(open_decoder(LETTERS, 40), GreedyDecoder)


def test_hotwords_alone_are_searched_for_in_all_texts() -> None:
    assert isinstance(open_decoder(LETTERS, 40, hotwords=["ann"]), PrefixDecoder)


@pytest.mark.parametrize(("is_closed", "kind"), [(True, BeamDecoder), (False, PrefixDecoder)])
def test_a_lexicon_is_searched_where_there_are_no_other_words(tmp_path: Path, *, is_closed: bool, kind: type) -> None:
    assert isinstance(open_decoder(LETTERS, 40, lm_of(tmp_path / "lm", "a b", is_closed=is_closed)), kind)


def test_what_a_search_needs_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lm_of(tmp_path / "lm", "a b")
    open_decoder(LETTERS, 40, model, ["ann"])
    monkeypatch.delattr("inference.decoding.word_search.WordSearch.__init__")

    open_decoder(LETTERS, 40, model, ["ann"])
    with pytest.raises(TypeError):
        open_decoder(LETTERS, 40, model, ["bob"])
