"""The bundle's files are read, and refused with a sentence where one is missing, damaged, or not of the others."""

import json
from pathlib import Path

import pytest
import torch

from inference.engines.emformer_rnnt.weights import SENTENCEPIECE, STATISTICS, WEIGHTS, EmformerFiles, is_emformer, sizes_of
from inference.errors import WeightsError
from inference.torchaudio_compat import models
from tests.inference.engines.conformer_ctc.weights.models import sentencepiece_model
from tests.inference.engines.emformer_rnnt.bundles import random_state, write_bundle

TOLD = {
    "input_dim": 80,
    "encoding_dim": 1024,
    "num_symbols": 4097,
    "time_reduction_input_dim": 128,
    "transformer_ffn_dim": 2048,
    "transformer_num_layers": 20,
    "symbol_embedding_dim": 512,
    "num_lstm_layers": 3,
}


@pytest.fixture
def files(tmp_path: Path) -> EmformerFiles:
    return EmformerFiles("m", write_bundle(tmp_path / "m"))


def test_the_published_network_has_the_sizes_that_are_told_from_its_parameters() -> None:
    with torch.device("meta"):
        sizes = sizes_of(models.emformer_rnnt_base(4097).state_dict())

    assert {name: size for name, size in sizes.items() if name in TOLD} == TOLD


@pytest.mark.parametrize("file_name", [WEIGHTS, STATISTICS, SENTENCEPIECE])
def test_a_file_that_is_missing_or_empty_is_named(files: EmformerFiles, file_name: str) -> None:
    (files.folder / file_name).write_bytes(b"")
    with pytest.raises(WeightsError, match=file_name):
        files.load()

    (files.folder / file_name).unlink()
    with pytest.raises(WeightsError, match=file_name):
        files.load()


def test_a_parameter_that_is_missing_or_strange_is_named(files: EmformerFiles) -> None:
    state = random_state()
    name = "transcriber.transformer.emformer_layers.1.attention.out_proj.bias"
    bias = state.pop(name)
    torch.save(state, files.folder / WEIGHTS)
    with pytest.raises(WeightsError, match=f"other parameters: {name}"):
        files.load()

    torch.save({**state, name: bias[:3].clone()}, files.folder / WEIGHTS)
    with pytest.raises(WeightsError, match=f"other parameters: {name}"):
        files.load()


def test_a_parameter_that_is_no_number_is_named(files: EmformerFiles) -> None:
    state = random_state()
    state["joiner.linear.weight"][0, 0] = float("nan")
    torch.save(state, files.folder / WEIGHTS)

    with pytest.raises(WeightsError, match="joiner.linear.weight holds what is no number"):
        files.load()


def test_another_models_tokens_or_statistics_are_refused(files: EmformerFiles) -> None:
    (files.folder / SENTENCEPIECE).write_bytes(sentencepiece_model(("a", "b")))
    with pytest.raises(WeightsError, match="writes 7 tokens, .* has 2"):
        files.load()

    (files.folder / SENTENCEPIECE).write_bytes(sentencepiece_model())
    (files.folder / STATISTICS).write_text(json.dumps({"mean": [1.0], "invstddev": [1.0]}))
    with pytest.raises(WeightsError, match="is of 1 mels; the network hears 12"):
        files.load()


def test_a_folder_is_recognised_by_its_files(files: EmformerFiles, tmp_path: Path) -> None:
    assert is_emformer(files.folder)
    assert not is_emformer(tmp_path)
