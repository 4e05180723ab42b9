"""Our own checkpoints: written and read again, in each form, and refused with a sentence where something is wrong."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.engines.conformer_ctc.weights.own import Form, OwnFiles, write
from inference.engines.int8 import Int8Linear
from inference.errors import WeightsError
from tests.inference.engines.conformer_ctc.weights.models import PIECES, random_checkpoint

MATRIX = "encoder.layers.0.feed_forward1.linear1.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """In int8."""
    write(tmp_path / "m", random_checkpoint(), "int8")
    return tmp_path / "m"


def test_float32_comes_back_to_the_bit(tmp_path: Path) -> None:
    written = random_checkpoint()

    write(tmp_path, written, "fp32")
    read = OwnFiles("m", tmp_path).load()

    assert read.config == written.config
    assert read.tokens.pieces == PIECES
    assert read.heads == ("ctc",)
    assert read.languages == ("en", "de")
    assert read.parameters.keys() == written.parameters.keys()
    assert all(torch.equal(read.parameters[name], tensor) for name, tensor in written.parameters.items())


def test_int8_becomes_the_same_whole_numbers_again_when_an_engine_quantises_it(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    read = OwnFiles("m", folder).load().parameters

    matrices = [name for name, tensor in stored.items() if tensor.dtype == torch.int8]

    assert {MATRIX, "ctc_decoder.decoder_layers.0.weight", "encoder.layers.1.conv.pointwise_conv1.weight"} <= set(matrices)
    for name in matrices:
        again = Int8Linear(read[name].flatten(1), None)
        assert torch.equal(again.weight, stored[name].flatten(1))


@pytest.mark.parametrize(("form", "allowed"), [("fp16", 0.002), ("int8", 0.02)])
def test_smaller_forms_stay_near(tmp_path: Path, form: Form, allowed: float) -> None:
    written = random_checkpoint()
    write(tmp_path, written, form)

    read = OwnFiles("m", tmp_path).load().parameters

    assert all((read[name] - tensor).abs().max() <= allowed * tensor.abs().max() for name, tensor in written.parameters.items())


def test_how_many_parameters_there_are_is_known_without_scales(folder: Path) -> None:
    assert OwnFiles("m", folder).num_parameters() == sum(tensor.numel() for tensor in random_checkpoint().parameters.values())


def test_a_language_model_beside_it_comes_along(folder: Path, tmp_path: Path) -> None:
    assert OwnFiles("m", folder).outline().lm_folder is None
    (folder / "lm").mkdir()
    (folder / "lm" / "lm.json").write_text("{}")

    write(tmp_path / "copy", OwnFiles("m", folder).load(), "fp16")

    assert OwnFiles("m", tmp_path / "copy").outline().lm_folder == tmp_path / "copy" / "lm"


def test_a_parameter_that_is_missing_strange_or_of_another_shape_is_named(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    bias = stored.pop("encoder.layers.1.norm_out.bias")
    refused(folder, stored, "lacks 1 parameters: encoder.layers.1.norm_out.bias")
    refused(
        folder, {**stored, "encoder.layers.1.norm_out.bias": bias[:3]}, r"norm_out.bias has the shape \(3,\); expected \(16,\)"
    )
    refused(folder, {**stored, "encoder.layers.1.norm_out.bias": bias, "encoder.extra": bias.clone()}, "besides .* encoder.extra")


def test_whole_numbers_without_their_scales_are_refused(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    del stored[f"{MATRIX}_scale"]

    refused(folder, stored, f"{MATRIX} is stored as torch.int8 with no scales")


def test_another_vocabulary_is_refused(folder: Path) -> None:
    (folder / "tokens.txt").write_text("a\nb\n")

    with pytest.raises(WeightsError, match="decoder_layers.0.weight has the shape .7, 16, 1.; expected .3, 16, 1."):
        OwnFiles("m", folder).load()


@pytest.mark.parametrize("file_name", ["config.json", "model.safetensors", "tokens.txt"])
def test_a_folder_that_is_not_complete_says_what_is_missing(folder: Path, file_name: str) -> None:
    (folder / file_name).unlink()

    with pytest.raises(WeightsError, match=file_name):
        OwnFiles("m", folder).load()


@pytest.mark.parametrize("stated", [[], "en", [1]])
def test_languages_that_are_none_are_refused(folder: Path, stated: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"languages": stated}))

    with pytest.raises(WeightsError, match="expected a list of tags"):
        OwnFiles("m", folder).outline()


def refused(folder: Path, stored: dict[str, torch.Tensor], sentence: str) -> None:
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=sentence):
        OwnFiles("m", folder).load()


@pytest.mark.parametrize(
    ("name", "stated"),
    [("num_heads", 0), ("num_mels", -80), ("d_model", 16.0), ("d_model", "16"), ("conv_kernel", True), ("num_layers", 10**9)],
)
def test_sizes_that_no_network_has_are_refused_by_name(folder: Path, name: str, stated: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["encoder"][name] = stated
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(WeightsError, match=f"{folder}: {name} is .*; expected a whole number"):
        OwnFiles("m", folder).outline()


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": "hark-conformer-ctc", "encoder": {"contexts": [[Infinity, 1]]}}'])
def test_json_that_its_reader_stumbles_over_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)

    with pytest.raises(WeightsError, match=r"config\.json"):
        OwnFiles("m", folder).outline()


@pytest.mark.parametrize("worth", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, worth: float) -> None:
    checkpoint = random_checkpoint()
    checkpoint.parameters[MATRIX][3, 2] = worth
    write(tmp_path / "m", checkpoint, "fp32")

    with pytest.raises(WeightsError, match=f"{MATRIX} holds what is no number"):
        OwnFiles("m", tmp_path / "m").load()
