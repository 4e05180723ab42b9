"""Reads Whisper weights in CTranslate2's layout into the parameter names of `network.WhisperNetwork`.

The file may come in parts (`model.bin.part1`, …) that are joined in order. Nothing is executed while reading.

Source of the layout: CTranslate2 4.x `python/ctranslate2/specs/model_spec.py` (`_serialize`), MIT.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from inference.errors import WeightsError

DTYPES: dict[int, tuple[str, torch.dtype]] = {
    0: ("<f4", torch.float32),
    1: ("<i1", torch.int8),
    2: ("<i2", torch.int16),
    3: ("<i4", torch.int32),
    4: ("<f2", torch.float16),
}
SUPPORTED_VERSION = 6


class _Reader:
    """Walks the bytes of a model file: little-endian numbers and zero-terminated strings with a length."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content = memoryview(content)
        self.name = name
        self.position = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return int(value)

    def take(self, num_bytes: int) -> memoryview:
        end = self.position + num_bytes
        if end > len(self.content):
            raise WeightsError(
                f"{self.name} ends after {len(self.content)} bytes where {end} were expected. Reinstall the model."
            )
        piece = self.content[self.position : end]
        self.position = end
        return piece

    def string(self) -> str:
        return bytes(self.take(self.number("H"))[:-1]).decode()


def read_variables(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """All variables of a CTranslate2 Whisper model file, in their stored type.

    Raises:
        WeightsError: truncated, of a newer version, not a Whisper model, or quantised.
    """
    try:
        return _read_all(_Reader(content, name))
    except (ValueError, KeyError) as err:  # text that is no text, sizes that contradict each other, an alias of nothing
        raise WeightsError(f"{name} is no model file or is damaged ({err}). Reinstall the model.") from err


def _read_all(reader: _Reader) -> dict[str, torch.Tensor]:
    version = reader.number("I")
    if version > SUPPORTED_VERSION:
        raise WeightsError(f"{reader.name} has layout version {version}; this server reads up to {SUPPORTED_VERSION}.")
    architecture = reader.string()
    if architecture != "WhisperSpec":
        raise WeightsError(f"{reader.name} holds a {architecture} model; expected WhisperSpec.")
    reader.number("I")
    variables = dict(_read_one(reader) for _ in range(reader.number("I")))
    for _ in range(reader.number("I")):
        alias, target = reader.string(), reader.string()
        variables[alias] = variables[target]
    return variables


def _read_one(reader: _Reader) -> tuple[str, torch.Tensor]:
    name = reader.string()
    shape = [reader.number("I") for _ in range(reader.number("B"))]
    code = reader.number("B")
    if code not in DTYPES:
        raise WeightsError(f"{reader.name}: {name} has type code {code}; this server reads {sorted(DTYPES)}.")
    content = reader.take(reader.number("I"))
    array = np.frombuffer(content, dtype=DTYPES[code][0]).reshape(shape)
    return name, torch.from_numpy(array.copy())


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model lies: its folder (config.json, tokenizer.json) and the parts of model.bin in order."""

    name: str
    folder: Path
    parts: tuple[Path, ...]

    def config(self) -> dict[str, list[list[int]]]:
        return dict(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))

    def content(self) -> bytes:
        missing = [part for part in self.parts if not part.is_file()]
        if missing or not self.parts:
            raise WeightsError(f"The weights of {self.name} are missing: {', '.join(map(str, missing))}. Run `make reinstall`.")
        return b"".join(part.read_bytes() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Weights:
    """Parameters as float32, named as in `network.WhisperNetwork`, and what their shapes do not tell."""

    parameters: dict[str, torch.Tensor]
    num_heads: int


def load_parameters(files: ModelFiles) -> Weights:
    """Read the weights of `files`.

    Raises:
        WeightsError: see `read_variables`.
    """
    variables = read_variables(files.content(), files.name)
    if any(name.endswith("weight_scale") for name in variables):
        raise WeightsError(f"{files.name} is stored quantised; give the float16 or float32 conversion.")
    return Weights(dict(_renamed(variables)), int(variables["encoder/num_heads"]))


def _renamed(variables: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in variables.items():
        if not tensor.is_floating_point() or name == "decoder/projection/weight":
            continue
        yield rename(name), tensor.float()


RENAMES: Sequence[tuple[str, str]] = (
    ("/layer_norm/beta", "/norm/bias"),
    ("/layer_norm/gamma", "/norm/weight"),
    ("position_encodings/encodings", "positions"),
    ("decoder/embeddings/weight", "decoder/embeddings"),
)


def rename(name: str) -> str:
    """`encoder/layer_0/ffn/linear_0/weight` → `encoder.layers.0.ffn.linear_0.weight`."""
    for old, new in RENAMES:
        name = name.replace(old, new)
    return name.replace("/layer_", "/layers/").replace("/", ".")
