"""What an examination says of a model, and how much memory a model of a size needs: known before its parameters are read."""

from typing import Final, Literal

import msgspec

FLOAT32_BYTES: Final = 4
RESIDENT_BYTES: Final = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 2}
"""For each parameter. In int8 the vocabulary's matrix is there twice, in 8 and in 16 bits; in small models it is half of all."""
WORKING_BYTES: Final = 50_000_000
"""What a model keeps besides: filters, the silence that it borrows, libraries' workspaces."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """precision: what `auto` turned out to be; empty where an engine knows none. load_ms: of wall-clock time. memory_bytes: what
    the model keeps, measured on a processor, estimated on a GPU.
    """

    engine: str
    languages: tuple[str, ...]
    multilingual: bool
    precision: str
    num_parameters: int
    memory_bytes: int
    load_ms: int


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """code: as in `inference.errors`. message: one sentence for the operator."""

    code: str
    message: str


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """One of both."""

    facts: Facts | None = None
    refusal: Refusal | None = None


TOO_LARGE: Final[Literal["too_large"]] = "too_large"


def resident_bytes(num_parameters: int, precision: str) -> int:
    """What a loaded model keeps, estimated. `precision` empty or `auto`: the largest that it may be."""
    return num_parameters * RESIDENT_BYTES.get(precision, FLOAT32_BYTES) + WORKING_BYTES


def peak_bytes(num_parameters: int, size_bytes: int) -> int:
    """What loading takes for a moment, estimated: the file, its parameters as float32, and the network made of them."""
    return size_bytes + 2 * num_parameters * FLOAT32_BYTES + WORKING_BYTES
