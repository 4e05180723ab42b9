"""Reading model.bin: what cannot be read is refused with a sentence."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engines.whisper.weights import ModelFiles, load_parameters, read_variables, rename
from inference.errors import WeightsError


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, array: np.ndarray, code: int) -> bytes:
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return string(name) + shape + struct.pack("<BI", code, array.nbytes) + array.tobytes()


def model(
    *variables: bytes, version: int = 6, architecture: str = "WhisperSpec", aliases: tuple[tuple[str, str], ...] = ()
) -> bytes:
    head = struct.pack("<I", version) + string(architecture) + struct.pack("<II", 3, len(variables))
    tail = struct.pack("<I", len(aliases)) + b"".join(string(alias) + string(target) for alias, target in aliases)
    return head + b"".join(variables) + tail


ONES = np.ones((2, 3), dtype="<f4")


def test_variables_are_read_in_their_shape_and_type() -> None:
    content = model(variable("a", ONES, 0), variable("b", np.array([7], dtype="<i2"), 2), aliases=(("c", "a"),))

    found = read_variables(content, "m")

    assert torch.equal(found["a"], torch.ones(2, 3))
    assert found["b"].dtype == torch.int16
    assert torch.equal(found["c"], found["a"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (model(variable("a", ONES, 0), version=7), "m has layout version 7; this server reads up to 6"),
        (model(variable("a", ONES, 0), architecture="TransformerSpec"), "m holds a TransformerSpec model; expected WhisperSpec"),
        (model(variable("a", ONES, 9)), r"m: a has type code 9; this server reads \[0, 1, 2, 3, 4\]"),
        (b"", "m ends after 0 bytes where 4 were expected. Reinstall the model"),
        (b"PK\x03\x04 is a zip file", "m has layout version"),
        (struct.pack("<I", 6) + b"\x05\x00\xff\xfe\xfd\xfc\x00", "m is no model file"),
        (
            model(variable("a", ONES, 0)[:-4] + struct.pack("<f", 1.0)).replace(struct.pack("<I", 24), struct.pack("<I", 20)),
            "m is no model file",
        ),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_variables(content, "m")


def test_a_file_cut_anywhere_is_refused() -> None:
    content = model(variable("a", ONES, 0), aliases=(("c", "a"),))

    for end in range(len(content)):
        with pytest.raises(WeightsError):
            read_variables(content[:end], "m")


def files_of(folder: Path, *parts: bytes) -> ModelFiles:
    paths = tuple(folder / f"model.bin.part{number}" for number in range(len(parts)))
    for path, content in zip(paths, parts, strict=True):
        path.write_bytes(content)
    return ModelFiles("m", folder, paths)


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    content = model(variable("encoder/num_heads", np.array(4, dtype="<i2"), 2), variable("encoder/a", ONES.astype("<f2"), 4))

    weights = load_parameters(files_of(tmp_path, content[:20], content[20:]))

    assert weights.num_heads == 4
    assert weights.parameters["encoder.a"].dtype == torch.float32


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    content = model(variable("encoder/a/weight_scale", ONES, 0))

    with pytest.raises(WeightsError, match="m is stored quantised"):
        load_parameters(files_of(tmp_path, content))


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
