"""What engines read weights from: JSON beside them, safetensors files and their shards, torch's own checkpoints.

Nothing in a file is executed, and what is damaged or of another kind raises WeightsError with a sentence that says what to do.
Which parameters a model must have is known to its engine.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.errors import WeightsError

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
SHARD_NAME: Final = re.compile(r"[\w.-]+\.safetensors", re.ASCII)


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file.

    Raises:
        WeightsError: missing, unreadable, or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:  # the last one of thousands of brackets
        raise WeightsError(f"{path} cannot be read ({err}). Copy it from where the model came from.") from err
    if not isinstance(content, dict):
        raise WeightsError(
            f"{path} holds a {type(content).__name__}; expected an object. Copy it from where the model came from."
        )
    return content


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file, of which only the head is read.

    Raises:
        WeightsError: it is none, or not complete.
    """
    try:
        with safe_open(path, framework="pt") as shard:
            yield shard
    except (SafetensorError, OSError) as err:
        raise WeightsError(f"{path} is no safetensors file, or not complete ({err}). Copy it anew.") from err


def has_safetensors(folder: Path) -> bool:
    return (folder / SINGLE).is_file() or (folder / INDEX).is_file()


def shards_in(folder: Path) -> list[Path]:
    """The safetensors files of a folder: the only one, or those that its index lists.

    Raises:
        WeightsError: the index lists none, or files that lie elsewhere.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    try:
        names = sorted(set(read_json(folder / INDEX)["weight_map"].values()))
        is_usable = all(SHARD_NAME.fullmatch(name) for name in names)
    except (KeyError, AttributeError, TypeError) as err:
        raise WeightsError(f"{folder / INDEX} lists no shards. Copy it anew.") from err
    if not is_usable:
        raise WeightsError(f"{folder / INDEX} names files that are no .safetensors beside it. Copy the folder anew.")
    return [folder / name for name in names]


def tensors_in(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and value of each tensor. Raises WeightsError as `shards_in` and `opened`."""
    for path in shards_in(folder):
        with opened(path) as shard:
            yield from ((name, shard.get_tensor(name)) for name in shard.keys())  # noqa: SIM118  # no mapping


def shapes_in(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by name, from the heads of the files. Raises WeightsError as `shards_in` and `opened`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in shards_in(folder):
        with opened(path) as shard:
            shapes.update((name, tuple(shard.get_slice(name).get_shape())) for name in shard.keys())  # noqa: SIM118  # no mapping
    return shapes


def num_numbers_in(folder: Path) -> int:
    """How many numbers the tensors of the folder are, from the heads of its files."""
    return sum(math.prod(shape) for shape in shapes_in(folder).values())


def check_finite(parameters: Mapping[str, Tensor], source: str) -> None:
    """Raises WeightsError where a parameter is infinite or no number: it would turn all that is heard into nothing."""
    for name, tensor in parameters.items():
        if tensor.is_floating_point() and tensor.numel() and not all(bound.isfinite() for bound in tensor.aminmax()):
            raise WeightsError(
                f"{source}: {name} holds what is no number (NaN) or infinite. Copy it anew; if it is so there, training failed."
            )


def unpickled(source: Path | IO[bytes], told: str, expected: str) -> Any:
    """What torch saved, the tensors of a file mapped into memory where its format allows that.

    Args:
        source: where it lies, or an open file that can be rewound.
        told: what sentences call it.
        expected: what it should be, for those sentences.

    Raises:
        WeightsError: it is none, or damaged.
    """
    try:
        return torch.load(source, map_location="cpu", weights_only=True, mmap=isinstance(source, Path) and _is_zip(source))
    except Exception as err:  # bytes that are none of its own lead torch's reader anywhere
        reason = str(err).partition("\n")[0].partition(". ")[0] or type(err).__name__  # what follows advises to trust the file
        raise WeightsError(f"{told} is no torch checkpoint or is damaged ({reason}); expected {expected}.") from err


def _is_zip(path: Path) -> bool:
    """Files before torch 1.6 are not, and cannot be mapped into memory."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"
