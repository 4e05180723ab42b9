"""Alignment heads of the published models."""

import json

import pytest

from inference.engines.whisper.weights.alignment_heads import HEADS, LARGE, DecoderSize, known_heads
from inference.engines.whisper.weights.standard import base_folder, tiny_en_folder


@pytest.mark.parametrize("name", HEADS)
def test_a_published_model_is_known_by_its_name_and_size(name: str) -> None:
    size, heads = HEADS[name]

    assert known_heads(size, name) == heads
    assert all(layer < size.num_layers and head < size.num_heads for layer, head in heads)
    assert len(set(heads)) == len(heads) > 0


@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_the_table_agrees_with_the_models_that_come_with_it(name: str) -> None:
    config = json.loads((tiny_en_folder() if name == "tiny.en" else base_folder()).joinpath("config.json").read_text())

    assert [list(pair) for pair in HEADS[name][1]] == config["alignment_heads"]


def test_a_name_that_does_not_fit_the_size_is_not_believed() -> None:
    assert known_heads(HEADS["small"][0], "tiny.en") == HEADS["small"][1]


def test_large_without_a_number_is_the_second() -> None:
    assert known_heads(LARGE, "large") == known_heads(LARGE, "mine") == HEADS["large-v2"][1] != known_heads(LARGE, "large-v1")


def test_an_unknown_size_has_all_heads_of_its_upper_half() -> None:
    assert known_heads(DecoderSize(3, 2, 51865), "distilled") == ((1, 0), (1, 1), (2, 0), (2, 1))
