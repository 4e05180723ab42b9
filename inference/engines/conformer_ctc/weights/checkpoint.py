"""What every container is turned into: the encoder's sizes, the tokens that it writes, parameters named as in NeMo.

Each module here reads one container; `checked` says whether what was read is a whole model. What is made of it is the
engine's matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import torch
from torch import Tensor

from inference.config import Head as Head  # each checkpoint says which it has
from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.rnnt import PROMPT, RnntHead
from inference.engines.containers import check_finite
from inference.errors import WeightsError

CTC: Final[Head] = "ctc"
RNNT: Final[Head] = "rnnt"
PREFIXES: Final[dict[Head, tuple[str, ...]]] = {CTC: ("ctc_decoder.",), RNNT: ("decoder.", "joint.")}
ENCODER: Final = "encoder."
NUM_NAMED: Final = 3
DEFAULT_LANGUAGES: Final = ("en",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is known of a model before its parameters are read.

    heads: what can turn the encoder's frames into tokens. languages: tags; the first is the one that is told where nobody says.
    lm_folder: of the language model that comes with it. prompts: of a transducer that wants to be told what language it hears:
    the number of each, by what the model calls it; `auto` if it can find out.
    """

    config: EncoderConfig
    tokens: Tokens
    heads: tuple[Head, ...]
    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    lm_folder: Path | None = None
    prompts: Mapping[str, int] = field(default_factory=dict)

    def choose(self, head: Head | None, name: str) -> Head:
        """`head`, or the usual one where None is given.

        Raises:
            WeightsError: the model `name` has no such head.
        """
        if head is not None and head not in self.heads:
            raise WeightsError(f"{name} has no head {head}, only {', '.join(self.heads)}. Leave out ?head={head}.")
        return head or self.heads[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Outline):
    """parameters: float32, by NeMo's names: `encoder.…`, and `ctc_decoder.…`, or `decoder.…` and `joint.…`, or all of them."""

    parameters: dict[str, Tensor]

    def of(self, *prefixes: str) -> dict[str, Tensor]:
        """The parameters whose names begin with one of `prefixes`."""
        return {name: tensor for name, tensor in self.parameters.items() if name.startswith(prefixes)}

    def of_ctc(self) -> dict[str, Tensor]:
        """All that a `ConformerCtc` has.

        Raises:
            WeightsError: there is no CTC head.
        """
        if CTC not in self.heads:
            raise WeightsError("This model has no CTC head, only a transducer's. Load it with the head rnnt.")
        return self.of(ENCODER, *PREFIXES[CTC])

    def of_rnnt(self) -> dict[str, Tensor]:
        """All that an `RnntHead` has.

        Raises:
            WeightsError: there is no transducer's head.
        """
        if RNNT not in self.heads:
            raise WeightsError("This model has no transducer's head, only CTC. Load it with the head ctc.")
        return self.of(*PREFIXES[RNNT], PROMPT)


class ConformerFiles(Protocol):
    """A model on disk. `outline` and `num_parameters` read little, `load` everything."""

    @property
    def name(self) -> str: ...

    def outline(self) -> Outline:
        """Raises WeightsError with a sentence that says what to do."""

    def num_parameters(self) -> int:
        """From the heads of the files. Raises WeightsError."""

    def load(self) -> Checkpoint:
        """Raises WeightsError with a sentence that says what to do."""


def heads_of(names: Iterable[str], source: str) -> tuple[Head, ...]:
    """Which heads parameters of these names make; the CTC head first.

    Raises:
        WeightsError: none.
    """
    found = set(names)
    heads = tuple(head for head, prefixes in PREFIXES.items() if all(_has(found, prefix) for prefix in prefixes))
    if not heads:
        raise WeightsError(
            f"{source} has neither a CTC head (ctc_decoder.…) nor a transducer's (decoder.…, joint.…). Copy it anew."
        )
    return heads


def checked(outline: Outline, parameters: Mapping[str, Tensor], source: str) -> Checkpoint:
    """The parameters as float32, if they are all that the encoder and its heads need.

    Raises:
        WeightsError: one is missing, unknown, of another shape or no number; the message begins with `source`.
    """
    expected = _encoder_shapes(outline) | (_transducer_shapes(outline, parameters, source) if RNNT in outline.heads else {})
    _check_names(expected.keys() - parameters.keys(), f"{source} lacks")
    _check_names(parameters.keys() - expected.keys(), f"{source} has besides a streaming FastConformer")
    for name, shape in expected.items():
        found = tuple(parameters[name].shape)
        if found != shape:
            raise WeightsError(f"{source}: {name} has the shape {found}; expected {shape}. Does its configuration belong to it?")
    check_finite(parameters, source)
    return Checkpoint(
        config=outline.config,
        tokens=outline.tokens,
        heads=outline.heads,
        languages=outline.languages,
        lm_folder=outline.lm_folder,
        prompts=outline.prompts,
        parameters={name: tensor.float() for name, tensor in parameters.items()},
    )


def _has(names: set[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _encoder_shapes(outline: Outline) -> dict[str, tuple[int, ...]]:
    """Of the encoder, and of the CTC head where there is one."""
    with torch.device("meta"):
        state = ConformerCtc(outline.config, len(outline.tokens)).state_dict()
    wanted = (ENCODER, *(PREFIXES[CTC] if CTC in outline.heads else ()))
    return {name: tuple(tensor.shape) for name, tensor in state.items() if name.startswith(wanted)}


def _transducer_shapes(outline: Outline, parameters: Mapping[str, Tensor], source: str) -> dict[str, tuple[int, ...]]:
    """The predictor is as large as it is; what it has in common with encoder and tokens is not for it to say."""
    try:
        with torch.device("meta"):
            found = RnntHead.like(parameters)
            head = RnntHead(found.sizes.with_common(outline.config.d_model, len(outline.tokens) + 1))
    except (KeyError, ValueError, RuntimeError) as err:
        raise WeightsError(f"{source} has no whole transducer's head ({err}). Give the complete model.") from err
    _check_prompts(outline.prompts, found.sizes.num_prompts, source)
    return {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}


def _check_prompts(prompts: Mapping[str, int], num_prompts: int, source: str) -> None:
    strange = [f"{name} as number {number}" for name, number in prompts.items() if not 0 <= number < num_prompts]
    if strange or (num_prompts and not prompts):
        listed = strange[0] if strange else "none of them"
        raise WeightsError(
            f"{source}: the network wants to be told one of {num_prompts} languages, and the configuration lists {listed}. Does "
            "it belong to it?"
        )


def _check_names(names: set[str], sentence: str) -> None:
    if names:
        shown = ", ".join(sorted(names)[:NUM_NAMED])
        raise WeightsError(f"{sentence} {len(names)} parameters: {shown}, … Give the complete model.")
