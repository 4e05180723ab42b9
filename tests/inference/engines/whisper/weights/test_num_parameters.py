"""How large a model is, from the heads of its files, in every container."""

from pathlib import Path

import pytest
import torch

from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
from inference.engines.whisper.weights.layout import Weights
from inference.engines.whisper.weights.location import model_files
from inference.errors import WeightsError
from tests.inference.engines.whisper.weights.layouts import random_weights, small, write_hugging_face, write_openai
from tests.inference.engines.whisper.weights.listening import shipped_tiny_en

MARGIN = 0.03
"""Keys have no bias in the files, and some containers hold a few numbers besides."""


def num_numbers(weights: Weights) -> int:
    return sum(tensor.numel() for tensor in weights.parameters.values())


def test_the_shipped_model_says_its_size(tiny_en: Weights) -> None:
    assert shipped_tiny_en().num_parameters() == pytest.approx(num_numbers(tiny_en), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_an_openai_file_says_its_size_whatever_it_is_stored_in(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = random_weights(small())

    files = model_files("m", write_openai(tmp_path / "m.pt", weights, dtype))

    assert files.num_parameters() == pytest.approx(num_numbers(weights), rel=MARGIN)


@pytest.mark.parametrize("num_shards", [1, 3])
def test_a_hugging_face_folder_says_its_size(tmp_path: Path, english_tokenizer: Path, num_shards: int) -> None:
    weights = random_weights(small())

    files = model_files("m", write_hugging_face(tmp_path / "m", weights, english_tokenizer, num_shards=num_shards))

    assert files.num_parameters() == pytest.approx(num_numbers(weights), rel=MARGIN)


def test_a_file_that_was_cut_does_not_say_its_size(tmp_path: Path) -> None:
    whole = shipped_tiny_en().parts[0].read_bytes()
    (tmp_path / "model.bin").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(WeightsError, match="Copy the file anew"):
        CTranslate2Files("cut", tmp_path, (tmp_path / "model.bin",)).num_parameters()


def test_a_folder_of_another_architecture_does_not_say_its_size(tmp_path: Path, english_tokenizer: Path) -> None:
    folder = write_hugging_face(tmp_path / "m", random_weights(small()), english_tokenizer)
    (folder / "config.json").write_text('{"model_type": "wav2vec2"}')

    with pytest.raises(WeightsError, match="model_type is 'wav2vec2'"):
        model_files("m", folder).num_parameters()
