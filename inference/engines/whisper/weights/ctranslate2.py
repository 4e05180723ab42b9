"""Reads Whisper models in CTranslate2's layout, as faster-whisper uses them: model.bin, config.json, tokenizer.json.

The file may come in parts (`model.bin.part1`, …) that are joined in order. Stored as int8 or int16 with scales it is
turned back to float32. Nothing is executed while reading.

Source of the layout: CTranslate2 4.x `python/ctranslate2/specs/model_spec.py` (`_serialize`, `_quantize`), MIT.
"""

import json
import math
import mmap
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from inference.engines.containers import read_json
from inference.engines.whisper.tokenizer import END, read_tokenizer
from inference.engines.whisper.vocabulary import Vocabulary
from inference.engines.whisper.weights.alignment_heads import DecoderSize
from inference.engines.whisper.weights.layout import Weights, check_is_tied, checked, renamed
from inference.engines.whisper.weights.standard import standard_rules, standard_tokenizer, stated_rules
from inference.errors import WeightsError

DTYPES: dict[int, tuple[str, torch.dtype]] = {
    0: ("<f4", torch.float32),
    1: ("<i1", torch.int8),
    2: ("<i2", torch.int16),
    3: ("<i4", torch.int32),
    4: ("<f2", torch.float16),
    5: ("<i2", torch.bfloat16),  # numpy has no name for it
}
SUPPORTED_VERSION = 6
SCALE = "_scale"


class _Reader:
    """Walks the bytes of a model file: little-endian numbers and zero-terminated strings with a length."""

    def __init__(self, content: bytes | mmap.mmap, name: str) -> None:
        self.content = memoryview(content)
        self.name = name
        self.position = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return int(value)

    def take(self, num_bytes: int) -> memoryview:
        end = self.position + num_bytes
        if end > len(self.content):
            raise WeightsError(f"{self.name} ends after {len(self.content)} bytes where {end} were expected. Copy the file anew.")
        piece = self.content[self.position : end]
        self.position = end
        return piece

    def string(self) -> str:
        return bytes(self.take(self.number("H"))[:-1]).decode()


def read_variables(content: bytes | mmap.mmap, name: str) -> dict[str, Tensor]:
    """All variables of a CTranslate2 Whisper model file, in their stored type.

    Raises:
        WeightsError: truncated, of a newer version, or not a Whisper model.
    """
    with _complaining(name):
        return _read_all(_Reader(content, name))


@contextmanager
def _complaining(name: str) -> Iterator[None]:
    """Text that is no text, sizes that contradict each other, an alias of nothing."""
    try:
        yield
    except (ValueError, KeyError) as err:
        raise WeightsError(f"{name} is no model file or is damaged ({err}). Copy the file anew.") from err


def _num_variables(reader: _Reader) -> int:
    """Reads up to the first variable."""
    version = reader.number("I")
    if version > SUPPORTED_VERSION:
        raise WeightsError(f"{reader.name} has layout version {version}; this server reads up to {SUPPORTED_VERSION}.")
    architecture = reader.string()
    if architecture != "WhisperSpec":
        raise WeightsError(f"{reader.name} holds a {architecture} model; expected WhisperSpec.")
    reader.number("I")
    return reader.number("I")


def _read_all(reader: _Reader) -> dict[str, Tensor]:
    variables = dict(_read_one(reader) for _ in range(_num_variables(reader)))
    for _ in range(reader.number("I")):
        alias, target = reader.string(), reader.string()
        variables[alias] = variables[target]
    return variables


def _read_one(reader: _Reader) -> tuple[str, Tensor]:
    stored = _find_one(reader)
    array = np.frombuffer(stored.content, dtype=DTYPES[stored.code][0]).reshape(stored.shape)
    return stored.name, torch.from_numpy(array.copy()).view(DTYPES[stored.code][1])


@dataclass(frozen=True, slots=True)
class _Stored:
    """A variable as it lies in the file, not copied yet. `code`: a key of DTYPES."""

    name: str
    shape: list[int]
    code: int
    content: memoryview


def _find_one(reader: _Reader) -> _Stored:
    name = reader.string()
    shape = [reader.number("I") for _ in range(reader.number("B"))]
    code = reader.number("B")
    if code not in DTYPES:
        raise WeightsError(f"{reader.name}: {name} has type code {code}; this server reads {sorted(DTYPES)}.")
    return _Stored(name, shape, code, reader.take(reader.number("I")))


def num_numbers(content: bytes | mmap.mmap, name: str) -> int:
    """How many numbers all variables of a model file are together, scales and counts included; nothing is copied.

    Raises:
        WeightsError: truncated, of a newer version, or not a Whisper model.
    """
    with _complaining(name):
        reader = _Reader(content, name)
        return sum(math.prod(_find_one(reader).shape) for _ in range(_num_variables(reader)))


@dataclass(frozen=True, slots=True)
class CTranslate2Files:
    """A model in CTranslate2's layout: its folder and the parts of model.bin in order."""

    name: str
    folder: Path
    parts: tuple[Path, ...]

    def content(self) -> bytes | mmap.mmap:
        missing = [part for part in self.parts if not part.is_file()]
        if missing or not self.parts:
            raise WeightsError(f"The weights of {self.name} are missing: {', '.join(map(str, missing))}. Run `make reinstall`.")
        if len(self.parts) > 1 or not self.parts[0].stat().st_size:
            return b"".join(part.read_bytes() for part in self.parts)
        with self.parts[0].open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def vocabulary(self) -> Vocabulary:
        config = read_json(self.folder / "config.json")
        try:
            rules = stated_rules(
                lambda: standard_rules(self._size(), self.folder.name),
                heads=config.get("alignment_heads"),
                suppressed=config.get("suppress_ids"),
                suppressed_first=config.get("suppress_ids_begin"),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise WeightsError(
                f"{self.folder / 'config.json'} is not of a Whisper model ({err}). Convert the model anew."
            ) from err
        return Vocabulary(self._tokenizer(), rules)

    def num_parameters(self) -> int:
        return num_numbers(self.content(), self.name)

    def load(self) -> Weights:
        variables = read_variables(self.content(), self.name)
        try:
            check_is_tied(variables.get("decoder/projection/weight"), variables["decoder/embeddings/weight"], self.name)
            weights = Weights(dict(_parameters(variables)), int(variables["encoder/num_heads"]))
        except (KeyError, RuntimeError) as err:
            raise WeightsError(f"{self.name} lacks something or does not fit together ({err}). Convert the model anew.") from err
        return checked(weights, self.vocabulary(), self.name)

    def _size(self) -> DecoderSize:
        """For a folder whose config.json does not say everything."""
        variables = read_variables(self.content(), self.name)
        num_layers = len({name.split("/")[1] for name in variables if name.startswith("decoder/layer_") and name.count("/") > 2})
        return DecoderSize(num_layers, int(variables["decoder/num_heads"]), len(variables["decoder/embeddings/weight"]))

    def _tokenizer(self) -> Tokenizer:
        """tokenizer.json, or the published one with the same tokens where there is only a list of them."""
        path = self.folder / "tokenizer.json"
        listed = [] if path.is_file() else _listed_tokens(self.folder)
        if not listed:
            return read_tokenizer(path)
        tokenizer = standard_tokenizer(len(listed))
        end = listed.index(END) if END in listed else len(listed)
        if [tokenizer.id_to_token(token) for token in range(end)] != listed[:end]:
            raise WeightsError(
                f"{self.folder} has its own vocabulary and no tokenizer.json. Copy it from where the model came from."
            )
        return tokenizer


def _listed_tokens(folder: Path) -> list[str]:
    """vocabulary.json (a list) or vocabulary.txt (one token a line), in the order of their numbers; empty: neither is there."""
    as_list, as_lines = folder / "vocabulary.json", folder / "vocabulary.txt"
    try:
        if as_list.is_file():
            return list(map(str, json.loads(as_list.read_text(encoding="utf-8"))))
        return as_lines.read_text(encoding="utf-8").removesuffix("\n").split("\n") if as_lines.is_file() else []
    except (OSError, ValueError, TypeError) as err:
        raise WeightsError(f"The vocabulary in {folder} cannot be read ({err}). Copy it from where the model came from.") from err


def _parameters(variables: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in variables.items():
        scale = variables.get(name + SCALE)
        is_parameter = scale is not None or tensor.is_floating_point()
        if is_parameter and not name.endswith(SCALE) and not name.startswith("decoder/projection/"):
            yield rename(name), tensor.float() if scale is None else _unscaled(tensor, scale)


def _unscaled(tensor: Tensor, scale: Tensor) -> Tensor:
    """Integers divided by their scale, one for all or one for each row."""
    return tensor.float() / scale.float().reshape(-1, *[1] * (tensor.dim() - 1))


RENAMES: Sequence[tuple[str, str]] = (
    ("/layer_norm/beta", "/norm/bias"),
    ("/layer_norm/gamma", "/norm/weight"),
    ("position_encodings/encodings", "positions"),
    ("decoder/embeddings/weight", "decoder/embeddings"),
    ("/layer_", "/layers/"),
    ("/", "."),
)


def rename(name: str) -> str:
    """`encoder/layer_0/ffn/linear_0/weight` → `encoder.layers.0.ffn.linear_0.weight`."""
    return renamed(name, RENAMES)
