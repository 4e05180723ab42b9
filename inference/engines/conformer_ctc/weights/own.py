"""Our own checkpoints: a folder with config.json, model.safetensors, tokens.txt or tokenizer.model, and lm/ if there is one.

In the int8 form a matrix `X.weight` is there as whole numbers, with `X.weight_scale` for each of its outputs; all else is
float16. `write` is what the training exports with, `OwnFiles` what engines load with.
"""

import json
import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from inference.decoding.tokens import Tokens
from inference.engines import containers
from inference.engines.conformer_ctc.config import FORMAT, EncoderConfig, read_config
from inference.engines.conformer_ctc.weights.checkpoint import DEFAULT_LANGUAGES, Checkpoint, Outline, checked, heads_of
from inference.engines.int8 import MAX_INT8, TINY
from inference.engines.pieces import sentencepiece_tokens
from inference.errors import WeightsError

Form = Literal["fp32", "fp16", "int8"]
CONFIG: Final = "config.json"
TOKENS: Final = "tokens.txt"
SENTENCEPIECE: Final = "tokenizer.model"
LM_FOLDER: Final = "lm"
LM_CONFIG: Final = "lm.json"
SCALE: Final = "_scale"


@dataclass(frozen=True, slots=True)
class OwnFiles:
    name: str
    folder: Path

    def outline(self) -> Outline:
        document = containers.read_json(self.folder / CONFIG)
        return Outline(
            config=self._config(document),
            tokens=self._tokens(),
            heads=heads_of(containers.shapes_in(self.folder), str(self.folder)),
            languages=_languages(document, str(self.folder / CONFIG)),
            lm_folder=self.folder / LM_FOLDER if (self.folder / LM_FOLDER / LM_CONFIG).is_file() else None,
        )

    def num_parameters(self) -> int:
        shapes = containers.shapes_in(self.folder)
        return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(SCALE))

    def load(self) -> Checkpoint:
        stored = dict(containers.tensors_in(self.folder))
        return checked(self.outline(), restored(stored, str(self.folder)), str(self.folder))

    def _config(self, document: Mapping[str, Any]) -> EncoderConfig:
        try:
            return read_config(json.dumps(document))
        except WeightsError as err:
            raise WeightsError(f"{self.folder}: {err.message} Copy the folder anew.") from err

    def _tokens(self) -> Tokens:
        if (self.folder / TOKENS).is_file():
            return Tokens.from_file(self.folder / TOKENS)
        path = self.folder / SENTENCEPIECE
        if path.is_file():
            return sentencepiece_tokens(path.read_bytes(), str(path))
        raise WeightsError(f"{self.folder} has neither {TOKENS} nor {SENTENCEPIECE}; expected one of them. Copy the folder anew.")


def is_own(document: Mapping[str, Any]) -> bool:
    """Whether a config.json is of one of our own checkpoints."""
    return document.get("format") == FORMAT


def write(folder: Path, checkpoint: Checkpoint, form: Form) -> None:
    """`checkpoint` as a folder, which is made; files of the same names are replaced, and the language model is copied."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {**checkpoint.config.as_json(), "languages": list(checkpoint.languages)}
    (folder / CONFIG).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / TOKENS).write_text("".join(f"{piece}\n" for piece in checkpoint.tokens.pieces), encoding="utf-8")
    save_file(stored_as(checkpoint.parameters, form), folder / containers.SINGLE)
    if checkpoint.lm_folder is not None and checkpoint.lm_folder.resolve() != (folder / LM_FOLDER).resolve():
        shutil.copytree(checkpoint.lm_folder, folder / LM_FOLDER, dirs_exist_ok=True)


def stored_as(parameters: Mapping[str, Tensor], form: Form) -> dict[str, Tensor]:
    """What the file holds of float32 `parameters`."""
    stored: dict[str, Tensor] = {}
    for name, tensor in parameters.items():
        if form == "int8" and is_matrix(name, tensor.shape):
            scales = tensor.abs().flatten(1).amax(dim=1).clamp(min=TINY) / MAX_INT8
            stored[name] = (tensor / _spread(scales, tensor)).round().to(torch.int8).contiguous()
            stored[name + SCALE] = scales.contiguous()
        else:
            stored[name] = tensor.to(torch.float32 if form == "fp32" else torch.float16).contiguous()
    return stored


def is_matrix(name: str, shape: Iterable[int]) -> bool:
    """Whether it is multiplied with as a matrix: a linear layer's weight, or that of a convolution over one frame."""
    outputs, *rest = shape
    return name.endswith(".weight") and len(rest) in (1, 2) and rest[0] > 1 and rest[1:] in ([], [1])


def restored(stored: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The parameters as float32.

    Raises:
        WeightsError: whole numbers without their scales, or scales of another shape.
    """
    parameters = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        if tensor.is_floating_point():
            parameters[name] = tensor.float()
            continue
        scales = stored.get(name + SCALE)
        if tensor.dtype != torch.int8 or scales is None or scales.shape != tensor.shape[:1]:
            found = "no scales" if scales is None else f"scales of {tuple(scales.shape)}"
            raise WeightsError(
                f"{source}: {name} is stored as {tensor.dtype} with {found}; "
                f"expected int8 with {name}{SCALE} of {tuple(tensor.shape[:1])}. Export the model anew."
            )
        parameters[name] = tensor.float() * _spread(scales.float(), tensor)
    return parameters


def _spread(scales: Tensor, tensor: Tensor) -> Tensor:
    """(outputs,) as (outputs, 1, …), for a product with `tensor`."""
    return scales.view(-1, *[1] * (tensor.dim() - 1))


def _languages(document: Mapping[str, Any], source: str) -> tuple[str, ...]:
    stated = document.get("languages", list(DEFAULT_LANGUAGES))
    if not isinstance(stated, list) or not stated or not all(isinstance(tag, str) and tag for tag in stated):
        raise WeightsError(f'{source}: "languages" is {stated!r}; expected a list of tags such as ["en"].')
    return tuple(stated)
