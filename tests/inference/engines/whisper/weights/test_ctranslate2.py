"""Reading model.bin and the files beside it: what cannot be read is refused with a sentence."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engines.whisper.weights.alignment_heads import HEADS
from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files, read_variables, rename
from inference.engines.whisper.weights.standard import base_folder, tiny_en_folder
from inference.errors import WeightsError
from tests.inference.engines.whisper.weights.layouts import model_bin, string, variable, write_json

ONES = np.ones((2, 3), dtype="<f4")
INT8 = np.array([[-127, 0, 64], [127, 1, -1]], dtype="<i1")
EMBEDDINGS = variable("decoder/embeddings/weight", ONES, 0)


def test_variables_are_read_in_their_shape_and_type() -> None:
    content = model_bin(variable("a", ONES, 0), variable("b", np.array([7], dtype="<i2"), 2), aliases=(("c", "a"),))

    found = read_variables(content, "m")

    assert torch.equal(found["a"], torch.ones(2, 3))
    assert found["b"].dtype == torch.int16
    assert torch.equal(found["c"], found["a"])


def test_bfloat16_is_read() -> None:
    bits = np.array([[0x3F80, 0xC040]], dtype="<u2")  # 1.0 and -3.0

    found = read_variables(model_bin(variable("a", bits, 5)), "m")["a"]

    assert found.dtype == torch.bfloat16
    assert found.tolist() == [[1.0, -3.0]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (model_bin(variable("a", ONES, 0), version=7), "m has layout version 7; this server reads up to 6"),
        (
            model_bin(variable("a", ONES, 0), architecture="TransformerSpec"),
            "holds a TransformerSpec model; expected WhisperSpec",
        ),
        (model_bin(variable("a", ONES, 9)), r"m: a has type code 9; this server reads \[0, 1, 2, 3, 4, 5\]"),
        (b"", "m ends after 0 bytes where 4 were expected. Copy the file anew"),
        (b"PK\x03\x04 is a zip file", "m has layout version"),
        (struct.pack("<I", 6) + b"\x05\x00\xff\xfe\xfd\xfc\x00", "m is no model file"),
        (
            model_bin(variable("a", ONES, 0)[:-4] + struct.pack("<f", 1.0)).replace(struct.pack("<I", 24), struct.pack("<I", 20)),
            "m is no model file",
        ),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_variables(content, "m")


def test_a_file_cut_anywhere_is_refused() -> None:
    content = model_bin(variable("a", ONES, 0), aliases=(("c", "a"),))

    for end in range(len(content)):
        with pytest.raises(WeightsError):
            read_variables(content[:end], "m")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("encoder/layer_0/ffn/linear_0/weight", "encoder.layers.0.ffn.linear_0.weight"),
        ("decoder/layer_11/self_attention/layer_norm/gamma", "decoder.layers.11.self_attention.norm.weight"),
        ("encoder/layer_norm/beta", "encoder.norm.bias"),
        ("encoder/position_encodings/encodings", "encoder.positions"),
        ("decoder/embeddings/weight", "decoder.embeddings"),
    ],
)
def test_names_are_ours(theirs: str, ours: str) -> None:
    assert rename(theirs) == ours


def tiny_en_copy(folder: Path, *, without: tuple[str, ...] = ()) -> CTranslate2Files:
    """The shipped tiny.en as a folder that somebody else made."""
    for path in tiny_en_folder().iterdir():
        if path.name not in without and path.is_file():
            (folder / path.name).symlink_to(path)
    return CTranslate2Files("copy", folder, (folder / "model.bin",))


def quantised(content: bytes, code: int) -> bytes:
    """tiny.en's model.bin with every matrix as integers and scales: a row each (int8) or one for all (int16)."""
    pieces = []
    for name, tensor in read_variables(content, "tiny.en").items():
        array = tensor.numpy()
        if array.ndim < 2 or "positions" in name or "position_encodings" in name or name == "decoder/projection/weight":
            codes = {np.dtype("f2"): 4, np.dtype("i1"): 1, np.dtype("i2"): 2}
            pieces += [variable(name, array, codes[array.dtype])] if name != "decoder/projection/weight" else []
            continue
        rows = array.astype("<f4").reshape(len(array), -1)
        scale = 127 / np.abs(rows).max(axis=1, keepdims=True) if code == 1 else np.array(1024 / np.abs(rows).max(), dtype="<f4")
        integers = np.rint(rows * scale).astype("<i1" if code == 1 else "<i2").reshape(array.shape)
        pieces += [variable(name, integers, code), variable(name + "_scale", scale.astype("<f4").squeeze(), 0)]
    return model_bin(*pieces)


@pytest.mark.parametrize(("code", "tolerance"), [(1, 1 / 254), (2, 1 / 2048)])
def test_integers_with_scales_become_floats_again(tmp_path: Path, code: int, tolerance: float) -> None:
    original = tiny_en_copy(tmp_path)
    (tmp_path / "quantised.bin").write_bytes(quantised(bytes(original.content()), code))
    files = CTranslate2Files("copy", tmp_path, (tmp_path / "quantised.bin",))

    found, expected = files.load().parameters, original.load().parameters

    for name, tensor in expected.items():
        limit = tensor.abs().max() * tolerance * 1.01
        assert (found[name] - tensor).abs().max() <= limit, name


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    original = tiny_en_copy(tmp_path)
    content = bytes(original.content())
    parts = tuple(tmp_path / f"model.bin.part{number}" for number in (1, 2))
    for part, piece in zip(parts, (content[:1_000_000], content[1_000_000:]), strict=True):
        part.write_bytes(piece)

    found, expected = CTranslate2Files("copy", tmp_path, parts).load(), original.load()

    assert found.num_heads == expected.num_heads == 6
    assert all(torch.equal(found.parameters[name], tensor) for name, tensor in expected.parameters.items())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (model_bin(EMBEDDINGS), "copy lacks something or does not fit together .'encoder/num_heads'"),
        (model_bin(variable("encoder/num_heads", np.array(2, dtype="<i2"), 2)), "copy lacks something"),
        (model_bin(EMBEDDINGS, variable("encoder/num_heads", np.array(2, dtype="<i2"), 2)), "copy lacks the parameter"),
        (model_bin(EMBEDDINGS, variable("decoder/projection/weight", 2 * ONES, 0)), "writes with other embeddings than it reads"),
        (model_bin(EMBEDDINGS, variable("a", INT8, 1), variable("a_scale", np.ones(3, "<f4"), 0)), "does not fit together"),
        (b"", "copy ends after 0 bytes"),
    ],
)
def test_an_incomplete_model_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    files = tiny_en_copy(tmp_path, without=("model.bin",))
    files.parts[0].write_bytes(content)

    with pytest.raises(WeightsError, match=sentence):
        files.load()


@pytest.mark.parametrize(("folder", "name", "form"), [(tiny_en_folder(), "en", "txt"), (base_folder(), "many", "json")])
def test_a_list_of_the_published_tokens_stands_for_their_tokenizer(tmp_path: Path, folder: Path, name: str, form: str) -> None:
    shutil.copy(folder / "config.json", tmp_path)
    lines = (folder / "vocabulary.txt").read_text(encoding="utf-8")
    if form == "txt":
        (tmp_path / "vocabulary.txt").write_text(lines, encoding="utf-8")
    else:
        write_json(tmp_path / "vocabulary.json", lines.split("\n")[:-1])

    vocabulary = CTranslate2Files(name, tmp_path, ()).vocabulary()

    assert vocabulary.text(vocabulary.tokenizer.encode(" Hello there", add_special_tokens=False).ids) == " Hello there"
    assert vocabulary.is_multilingual == (form == "json")


def test_an_own_vocabulary_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    files = tiny_en_copy(tmp_path, without=("tokenizer.json", "vocabulary.txt"))
    tokens = (tiny_en_folder() / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    write_json(tmp_path / "vocabulary.json", [*tokens[:100], "mine", *tokens[101:]])

    with pytest.raises(WeightsError, match=r"has its own vocabulary and no tokenizer.json\. Copy it from"):
        files.vocabulary()


@pytest.mark.parametrize("without", [("tokenizer.json", "vocabulary.txt"), ("config.json",)])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(tmp_path: Path, without: tuple[str, ...]) -> None:
    with pytest.raises(WeightsError, match=without[0]):
        tiny_en_copy(tmp_path, without=without).vocabulary()


def configured(tmp_path: Path, changes: dict[str, object]) -> CTranslate2Files:
    """tiny.en with some settings changed."""
    files = tiny_en_copy(tmp_path, without=("config.json",))
    write_json(tmp_path / "config.json", json.loads((tiny_en_folder() / "config.json").read_text(encoding="utf-8")) | changes)
    return files


def test_what_the_configuration_does_not_say_is_as_in_the_published_model(tmp_path: Path) -> None:
    """So they are converted from a model without generation_config.json."""
    files = configured(tmp_path, {"alignment_heads": None, "suppress_ids": None, "suppress_ids_begin": None})

    rules = files.vocabulary().rules

    assert rules.alignment_heads == HEADS["tiny.en"][1]
    assert {1, 2, 7, 49146} <= set(rules.suppressed)
    assert rules.suppressed_first == (220, 50256)


@pytest.mark.parametrize("changes", [{"suppress_ids": 3}, {"alignment_heads": [1]}, {"suppress_ids_begin": ["x"]}])
def test_an_unusable_configuration_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="config.json is not of a Whisper model"):
        configured(tmp_path, changes).vocabulary()


def test_heads_that_the_decoder_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match="head 6 of layer 3 follows the audio; it has 4 layers of 6 heads. Take alignment_heads"
    ):
        configured(tmp_path, {"alignment_heads": [[3, 5], [3, 6]]}).load()


def test_weights_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    files = tiny_en_copy(tmp_path, without=("tokenizer.json", "config.json"))
    for name in ("tokenizer.json", "config.json"):
        shutil.copy(base_folder() / name, tmp_path)

    with pytest.raises(WeightsError, match="writes 51864 tokens and its tokenizer has 51865: one is not of the other"):
        files.load()


def test_a_name_longer_than_it_says_is_refused() -> None:
    content = struct.pack("<I", 6) + struct.pack("<H", 60_000) + string("WhisperSpec")

    with pytest.raises(WeightsError, match="ends after"):
        read_variables(content, "m")
