"""What every container is turned into: parameters named as in `network.WhisperNetwork`, and what is said about the text.

The containers hold query, key and value apart and call the parts otherwise; each module here renames to `….query`, `….key`,
`….value`, `….output`, and `packed` joins them as the network has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from inference.engines.whisper.network import Dimensions, WhisperNetwork
from inference.engines.whisper.vocabulary import Vocabulary
from inference.errors import WeightsError

NUM_AUDIO_POSITIONS = 1500
NUM_TIME_TOKENS = 1501
PUBLISHED_NUM_TOKENS = (51864, 51865, 51866)
NUM_NAMED = 3
PACKED = {
    "self_attention": {"linear_0": ("query", "key", "value"), "linear_1": ("output",)},
    "attention": {"linear_0": ("query",), "linear_1": ("key", "value"), "linear_2": ("output",)},
}


@dataclass(frozen=True, slots=True)
class Weights:
    """Parameters as float32, named as in `network.WhisperNetwork`, and what their shapes do not tell."""

    parameters: dict[str, Tensor]
    num_heads: int


class ModelFiles(Protocol):
    """A model on disk. Making one reads little; `load` reads everything."""

    @property
    def name(self) -> str: ...

    def vocabulary(self) -> Vocabulary:
        """Tokens, languages and alignment heads. Raises WeightsError with a sentence that says what to do."""

    def num_parameters(self) -> int:
        """From the head of the file; the parameters are not read. Raises WeightsError where there is no such head."""

    def load(self) -> Weights:
        """Read the parameters. Raises WeightsError with a sentence that says what to do."""


def renamed(name: str, renames: Sequence[tuple[str, str]]) -> str:
    for old, new in renames:
        name = name.replace(old, new)
    return name


def packed(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of the network as float32, from the same with query, key, value and output of each attention apart.

    Raises:
        KeyError: an attention is incomplete.
    """
    result = {name: tensor.float() for name, tensor in parts.items() if not _is_packed(name)}
    blocks = {name.rsplit(".", 2)[0] for name in parts if _is_packed(name)}
    for block in sorted(blocks):
        for linear, names in PACKED[block.rsplit(".", 1)[1]].items():
            result[f"{block}.{linear}.weight"] = torch.cat([parts[f"{block}.{part}.weight"].float() for part in names])
            result[f"{block}.{linear}.bias"] = torch.cat([_bias(parts, f"{block}.{part}") for part in names])
    return result


def _is_packed(name: str) -> bool:
    return name.split(".")[-2:-1] in (["query"], ["key"], ["value"], ["output"])


def _bias(parts: Mapping[str, Tensor], name: str) -> Tensor:
    """Whisper's keys have no bias; the packed layer has one of zeros for them."""
    if name.endswith(".key") and f"{name}.bias" not in parts:
        return torch.zeros(len(parts[f"{name}.weight"]))
    return parts[f"{name}.bias"].float()


def check_is_tied(written: Tensor | None, read: Tensor, source: str) -> None:
    """Whisper writes with the embeddings that it reads; some containers store them twice.

    Raises:
        WeightsError: they differ.
    """
    if written is not None and written is not read and not torch.equal(written, read):
        raise WeightsError(f"{source} writes with other embeddings than it reads; in a Whisper model both are one.")


def checked(weights: Weights, vocabulary: Vocabulary, source: str) -> Weights:
    """`weights`, if they are all that a Whisper network with this vocabulary needs and no more.

    Raises:
        WeightsError: a parameter is missing, unknown or of another shape; the message begins with `source`.
    """
    try:
        dims = Dimensions.of(weights.parameters, weights.num_heads)
    except (KeyError, ValueError, IndexError) as err:
        raise WeightsError(f"{source} lacks the parameter {err}; expected a Whisper model. Copy it anew.") from err
    _check_dimensions(dims, vocabulary, source)
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in WhisperNetwork(dims).state_dict().items()}
    _check_names(expected.keys() - weights.parameters.keys(), f"{source} lacks")
    _check_names(weights.parameters.keys() - expected.keys(), f"{source} has besides a Whisper model")
    for name, shape in expected.items():
        if tuple(weights.parameters[name].shape) != shape:
            found = tuple(weights.parameters[name].shape)
            raise WeightsError(f"{source}: {name} has the shape {found}; expected {shape}. Is it a complete Whisper model?")
    return weights


def _check_names(names: set[str], sentence: str) -> None:
    if names:
        shown = ", ".join(sorted(names)[:NUM_NAMED])
        raise WeightsError(f"{sentence} {len(names)} parameters: {shown}, … Give the complete, merged model.")


def _check_dimensions(dims: Dimensions, vocabulary: Vocabulary, source: str) -> None:
    if dims.num_heads < 1 or dims.num_states % dims.num_heads:
        raise WeightsError(f"{source} says it has {dims.num_heads} heads for {dims.num_states} states; these do not divide.")
    if dims.max_frames != NUM_AUDIO_POSITIONS:
        raise WeightsError(f"{source} hears {dims.max_frames} audio positions; expected {NUM_AUDIO_POSITIONS}, which are 30 s.")
    num_tokens = vocabulary.without_timestamps + 1 + NUM_TIME_TOKENS
    has_own = dims.num_tokens > num_tokens and dims.num_tokens not in PUBLISHED_NUM_TOKENS
    if dims.num_tokens != num_tokens and not has_own:
        raise WeightsError(
            f"{source} writes {dims.num_tokens} tokens and its tokenizer has {num_tokens}: one is not of the other. "
            "Copy both from where the model came from."
        )
    _check_heads(dims, vocabulary, source)


def _check_heads(dims: Dimensions, vocabulary: Vocabulary, source: str) -> None:
    for layer, head in vocabulary.alignment_heads:
        if not (0 <= layer < dims.num_decoder_layers and 0 <= head < dims.num_heads):
            raise WeightsError(
                f"{source} says that head {head} of layer {layer} follows the audio; it has {dims.num_decoder_layers} layers of "
                f"{dims.num_heads} heads. Take alignment_heads out of its config.json, then those that are known are used."
            )
