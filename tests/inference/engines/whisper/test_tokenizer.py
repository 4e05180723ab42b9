"""Tokenizers are parsed once for all models that have them."""

import shutil
from pathlib import Path

import pytest

from inference.engines.whisper.tokenizer import read_tokenizer
from inference.engines.whisper.weights.standard import base_folder, tiny_en_folder
from inference.errors import WeightsError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_en_folder() / "tokenizer.json", tmp_path))


def test_a_file_is_parsed_once(path: Path) -> None:
    assert read_tokenizer(path) is read_tokenizer(path)


def test_a_file_that_was_replaced_is_parsed_anew(path: Path) -> None:
    before = read_tokenizer(path)
    shutil.copy(base_folder() / "tokenizer.json", path)

    assert read_tokenizer(path).get_vocab_size() != before.get_vocab_size()


def test_a_file_that_is_gone_is_missed(path: Path) -> None:
    read_tokenizer(path)
    path.unlink()

    with pytest.raises(WeightsError, match="no readable tokenizer"):
        read_tokenizer(path)
