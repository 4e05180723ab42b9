"""Reads streaming FastConformers as NeMo saves them: `.nemo` files with a CTC head, a transducer's, or both.

Source of names and defaults: NVIDIA/NeMo `nemo/collections/asr/modules/{conformer_encoder,audio_preprocessing,rnnt}.py` and
`parts/mixins/mixins.py` (prompts), Apache-2.0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import torch

from inference.decoding.tokens import WORD_START, Tokens
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.rnnt import EMBEDDING
from inference.engines.conformer_ctc.weights.archive import Archive
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint, Outline, checked, heads_of
from inference.engines.conformer_ctc.weights.languages import languages_of_name, languages_of_prompts
from inference.engines.conformer_ctc.weights.settings import ABSENT, Allowed, Settings, shown
from inference.engines.pieces import sentencepiece_tokens, tokens_of
from inference.errors import WeightsError

WHAT: Final = "cache-aware streaming FastConformers"
ENCODER: Final[Mapping[str, Allowed]] = {
    "encoder.subsampling": ("dw_striding",),
    "encoder.causal_downsampling": (True,),
    "encoder.self_attention_model": ("rel_pos", ABSENT),
    "encoder.att_context_style": ("chunked_limited",),
    "encoder.conv_norm_type": ("layer_norm",),
    "encoder.feat_out": (-1, ABSENT),
    "encoder.reduction": (None, ABSENT),
    "encoder.untie_biases": (True, ABSENT),
    "encoder.global_tokens": (0, ABSENT),
}
"""What the configuration must say. The first is what is named where it says something else."""
FRONT_END: Final[Mapping[str, Allowed]] = {
    "preprocessor.sample_rate": (16000, ABSENT),
    "preprocessor.normalize": ("NA", None),
    "preprocessor.window_size": (0.025,),
    "preprocessor.window_stride": (0.01, ABSENT),
    "preprocessor.window": ("hann", ABSENT),
    "preprocessor.n_fft": (512, None, ABSENT),
    "preprocessor.preemph": (0.97, ABSENT),
    "preprocessor.log": (True, ABSENT),
    "preprocessor.log_zero_guard_type": ("add", ABSENT),
    "preprocessor.log_zero_guard_value": (2.0**-24, ABSENT),
    "preprocessor.frame_splicing": (1, ABSENT),
    "preprocessor.mag_power": (2.0, ABSENT),
    "preprocessor.lowfreq": (0, ABSENT),
    "preprocessor.highfreq": (None, 8000, ABSENT),
    "preprocessor.mel_norm": ("slaney", ABSENT),
    "preprocessor.exact_pad": (False, ABSENT),
}
TRANSDUCER: Final[Mapping[str, Allowed]] = {
    "joint.jointnet.activation": ("relu", ABSENT),
    "joint.num_extra_outputs": (0, ABSENT),
}
VOCABULARIES: Final = ("aux_ctc.decoder.vocabulary", "joint.vocabulary", "decoder.vocabulary", "labels")
PROMPTS: Final = "model_defaults.prompt_dictionary"
INSIDE: Final = "nemo:"
NOT_NEEDED: Final = ("preprocessor.", "encoder.pos_enc.", "spec_augmentation.", "loss.")
RENAMES: Final = (("decoder.decoder_layers.", "ctc_decoder.decoder_layers."), ("joint.joint_net.1.", "joint.joint_net.2."))
"""The CTC head is called so where it is the only one; without dropout the joint's last layer has another number."""
AnyT = TypeVar("AnyT")


@dataclass(frozen=True, slots=True)
class NemoFile:
    name: str
    path: Path

    def outline(self) -> Outline:
        return self._outline(_needed(self._archive.shapes()))

    def num_parameters(self) -> int:
        return sum(math.prod(shape) for shape in _needed(self._archive.shapes()).values())

    def load(self) -> Checkpoint:
        parameters = _needed(self._archive.tensors())
        outline = self._outline({name: tuple(tensor.shape) for name, tensor in parameters.items()})
        embedding = parameters.get(EMBEDDING)
        if embedding is not None and len(embedding) == len(outline.tokens):  # the beginning is no row of its own, but zeros
            parameters[EMBEDDING] = torch.cat([embedding, embedding.new_zeros(1, embedding.shape[1])])
        return checked(outline, parameters, str(self.path))

    @property
    def _archive(self) -> Archive:
        return Archive(self.path)

    def _outline(self, shapes: Mapping[str, tuple[int, ...]]) -> Outline:
        settings = Settings(self._archive.config(), f"{self.path}, model_config.yaml")
        settings.expect(ENCODER, WHAT)
        settings.expect(FRONT_END, WHAT)
        heads = heads_of(shapes, str(self.path))
        if "rnnt" in heads:
            settings.expect(TRANSDUCER, WHAT)
        prompts = _prompts(settings)
        return Outline(
            config=encoder_config(settings),
            tokens=self._tokens(settings),
            heads=heads,
            languages=languages_of_prompts(prompts) or languages_of_name(self.path.name),
            prompts=prompts,
        )

    def _tokens(self, settings: Settings) -> Tokens:
        kind, place = settings.get("tokenizer.type"), settings.get("tokenizer.model_path")
        if kind not in ("bpe", "agg", ABSENT):
            raise WeightsError(
                f"{settings.source}: tokenizer.type is {shown(kind)}; this server reads SentencePiece (bpe) and letters."
            )
        if kind == "bpe" and isinstance(place, str) and place.startswith(INSIDE):
            name = place.removeprefix(INSIDE)
            return sentencepiece_tokens(self._archive.text(name), f"{self.path}: {name}")
        for path in VOCABULARIES:
            listed = settings.get(path)
            if isinstance(listed, list) and listed:
                return tokens_of([WORD_START if piece == " " else str(piece) for piece in listed], f"{settings.source}: {path}")
        raise WeightsError(f"{settings.source} names no tokenizer in the file and lists no vocabulary. Save it anew with NeMo.")


def encoder_config(settings: Settings) -> EncoderConfig:
    """Raises WeightsError where a size is missing, or the network cannot stream."""
    kernel = settings.number("encoder.conv_kernel_size", 31)
    settings.expect({"encoder.conv_context_size": ("causal", [kernel - 1, 0])}, WHAT)
    d_model = settings.number("encoder.d_model")
    channels = settings.get("encoder.subsampling_conv_channels")
    try:
        return EncoderConfig(
            num_mels=settings.number("preprocessor.features", 64),
            d_model=d_model,
            num_layers=settings.number("encoder.n_layers"),
            num_heads=settings.number("encoder.n_heads", 4),
            subsampling=settings.number("encoder.subsampling_factor", 4),
            subsampling_channels=d_model if channels in (-1, ABSENT) else settings.number("encoder.subsampling_conv_channels"),
            contexts=_contexts(settings),
            conv_kernel=kernel,
            ff_expansion=settings.number("encoder.ff_expansion_factor", 4),
            use_bias=settings.flag("encoder.use_bias", default=True),
            xscaling=settings.flag("encoder.xscaling", default=True),
        )
    except WeightsError as err:
        raise WeightsError(f"{settings.source}: {err.message}") from err


def _contexts(settings: Settings) -> tuple[tuple[int, int], ...]:
    """One pair, or a list of them, the first of which is the usual one."""
    stated = settings.get("encoder.att_context_size")
    pairs = [stated] if isinstance(stated, list) and stated and isinstance(stated[0], int) else stated
    try:
        return tuple((int(left), int(right)) for left, right in pairs)  # type: ignore[attr-defined]  # what else it is, is caught
    except (TypeError, ValueError, OverflowError) as err:
        raise WeightsError(
            f"encoder.att_context_size is {shown(stated)}; expected [left, right], or a list of such pairs."
        ) from err


def _prompts(settings: Settings) -> dict[str, int]:
    stated = settings.get(PROMPTS)
    if stated in (ABSENT, None):
        return {}
    if not isinstance(stated, dict) or not all(isinstance(number, int) for number in stated.values()):
        raise WeightsError(
            f"{settings.source}: {PROMPTS} is {shown(stated)}; expected languages and their numbers. Copy it anew."
        )
    return {str(language): number for language, number in stated.items()}


def _needed(parameters: Mapping[str, AnyT]) -> dict[str, AnyT]:
    """Without what can be computed, under the names that the network has."""
    return {_renamed(name): value for name, value in parameters.items() if not name.startswith(NOT_NEEDED)}


def _renamed(name: str) -> str:
    return next((new + name.removeprefix(old) for old, new in RENAMES if name.startswith(old)), name)
