"""What a cache-aware streaming FastConformer looks like: its sizes, and how far it may look. Nothing of weights or tensors.

Source: NVIDIA/NeMo `nemo/collections/asr/modules/conformer_encoder.py` (ConformerEncoder's arguments), Apache-2.0.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from inference.errors import WeightsError

FORMAT: Final = "hark-conformer-ctc"
MEL_FRAME_MS: Final = 10
SUBSAMPLINGS: Final = (4, 8)
SIZES: Final = ("num_mels", "d_model", "num_layers", "num_heads", "subsampling_channels", "conv_kernel", "ff_expansion")
MAX_SIZE: Final = 100_000
MAX_LAYERS: Final = 200
"""Several times as much as anybody has trained: what says more is damaged, and would take hours to make or to refuse."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Frames are the encoder's (after subsampling) unless a name says mel.

    contexts: the choices of [left, right] frames that the network was trained with, as NeMo's att_context_size; the first is
    the one to take where nobody says otherwise. Attention goes by chunks of right + 1 frames: a frame sees its own chunk and
    left // (right + 1) whole chunks before it.
    """

    num_mels: int
    d_model: int
    num_layers: int
    num_heads: int
    subsampling: int
    subsampling_channels: int
    contexts: tuple[tuple[int, int], ...]
    conv_kernel: int = 9
    ff_expansion: int = 4
    use_bias: bool = True
    xscaling: bool = False

    def __post_init__(self) -> None:
        for name in SIZES:
            _check_size(name, getattr(self, name), MAX_LAYERS if name == "num_layers" else MAX_SIZE)
        if self.subsampling not in SUBSAMPLINGS:
            raise WeightsError(f"Subsampling is {self.subsampling}; expected one of {SUBSAMPLINGS}.")
        if self.d_model % self.num_heads or self.d_model % 2:
            raise WeightsError(f"{self.num_heads} heads do not divide d_model {self.d_model} into even parts.")
        if not self.contexts or not all(0 <= frames <= MAX_SIZE for context in self.contexts for frames in context):
            raise WeightsError(
                f"Contexts are {list(self.contexts)}; expected [[left, right], …] with limited left and right, in frames."
            )

    @property
    def left_frames(self) -> int:
        """The longest past that any choice sees: what a cache of keys and values has to hold."""
        return max(left for left, _ in self.contexts)

    @property
    def default_right_frames(self) -> int:
        return self.contexts[0][1]

    @property
    def right_choices(self) -> tuple[int, ...]:
        """Look-aheads in frames, in the order of `contexts`."""
        return tuple(right for _, right in self.contexts)

    @property
    def frame_ms(self) -> int:
        return MEL_FRAME_MS * self.subsampling

    @property
    def num_stages(self) -> int:
        """Convolutions of stride two in the subsampling."""
        return self.subsampling.bit_length() - 1

    @property
    def head_size(self) -> int:
        return self.d_model // self.num_heads

    def left_chunks(self, right_frames: int) -> int:
        """How many whole chunks before its own a frame sees with this look-ahead."""
        lefts = {right: left for left, right in self.contexts}
        return lefts.get(right_frames, self.left_frames) // (right_frames + 1)

    def chunk_ms(self, right_frames: int) -> int:
        return (right_frames + 1) * self.frame_ms

    def nearest_right_frames(self, chunk_ms: float) -> int:
        """The look-ahead whose chunk is nearest to what was wished; the shorter one of two that are equally near."""
        return min(self.right_choices, key=lambda right: (abs(self.chunk_ms(right) - chunk_ms), right))

    def as_json(self) -> dict[str, Any]:
        """What `config.json` of our own checkpoints says."""
        return {"format": FORMAT, "encoder": asdict(self)}


def read_config(text: str) -> EncoderConfig:
    """Read `config.json` of one of our own checkpoints.

    Raises:
        WeightsError: it is no JSON, of another format, or lacks something.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as err:
        raise WeightsError(f"config.json is no JSON: {err}.") from err
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise WeightsError(f'config.json does not say "format": "{FORMAT}"; export the model with python -m inference.training.')
    return _encoder(document.get("encoder"))


def _check_size(name: str, value: object, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise WeightsError(f"{name} is {value!r}; expected a whole number from 1 to {largest}.")


def _encoder(encoder: object) -> EncoderConfig:
    known = {field.name for field in fields(EncoderConfig)}
    if not isinstance(encoder, dict) or not set(encoder) <= known:
        raise WeightsError(f"config.json: `encoder` is {encoder!r}; expected an object with some of {sorted(known)}.")
    try:
        contexts = tuple((int(left), int(right)) for left, right in encoder["contexts"])
        return EncoderConfig(**(encoder | {"contexts": contexts}))
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise WeightsError(f"config.json: `encoder` is incomplete or of wrong types: {err}.") from err
