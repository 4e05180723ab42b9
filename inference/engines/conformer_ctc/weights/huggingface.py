"""Reads streaming FastConformers as transformers saves them: config.json, model.safetensors or its shards, tokenizer.json.

These have a transducer's head. What they were trained to look ahead is in processor_config.json.

Source of the names: huggingface/transformers `models/nemotron_asr_streaming/modeling_nemotron_asr_streaming.py` and
`models/nemotron3_5_asr/modeling_nemotron3_5_asr.py`, Apache-2.0.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.weights.checkpoint import RNNT, Checkpoint, Outline, checked
from inference.engines.conformer_ctc.weights.languages import AUTO, languages_of_name, languages_of_prompts
from inference.engines.conformer_ctc.weights.settings import ABSENT, Allowed, Settings, shown
from inference.engines.containers import read_json, shapes_in, tensors_in
from inference.engines.pieces import tokenizer_json_tokens
from inference.errors import WeightsError

MODEL_TYPES: Final = ("nemotron_asr_streaming", "nemotron3_5_asr")
WHAT: Final = "streaming FastConformers"
EXPECTED: Final[Mapping[str, Allowed]] = {
    "model_type": MODEL_TYPES,
    "hidden_act": ("relu", ABSENT),
    "encoder_config.hidden_act": ("silu", ABSENT),
    "encoder_config.subsampling_conv_kernel_size": (3, ABSENT),
    "encoder_config.subsampling_conv_stride": (2, ABSENT),
}
"""What config.json must say. The first is what is named where it says something else."""
LOOKAHEADS: Final = (13, 6, 1, 0)
"""Of the published models, where processor_config.json does not say it; the first is the usual one."""
RENAMES: Final[Sequence[tuple[str, str]]] = (
    (r"^encoder\.subsampling\.linear\.", "encoder.pre_encode.out."),
    (r"^encoder\.subsampling\.conv_in\.", "encoder.pre_encode.conv.0."),
    (r"\.self_attn\.([qkv])_proj\.", r".self_attn.linear_\1."),
    (r"\.self_attn\.o_proj\.", ".self_attn.linear_out."),
    (r"\.self_attn\.relative_k_proj\.", ".self_attn.linear_pos."),
    (r"\.self_attn\.bias_([uv])$", r".self_attn.pos_bias_\1"),
    (r"\.conv\.norm\.", ".conv.batch_norm."),
    (r"^encoder_projector\.", "joint.enc."),
    (r"^decoder\.embedding\.", "decoder.prediction.embed."),
    (r"^decoder\.lstm\.", "decoder.prediction.dec_rnn.lstm."),
    (r"^decoder\.decoder_projector\.", "joint.pred."),
    (r"^joint\.head\.", "joint.joint_net.2."),
    (r"^prompt_projector\.linear_1\.", "prompt_kernel.0."),
    (r"^prompt_projector\.linear_2\.", "prompt_kernel.2."),
)
STAGE: Final = re.compile(r"^encoder\.subsampling\.layers\.(\d+)\.(depthwise|pointwise)_conv\.")
NOT_NEEDED: Final = "encoder.encode_positions."


@dataclass(frozen=True, slots=True)
class HuggingFaceFiles:
    name: str
    folder: Path

    def outline(self) -> Outline:
        settings = self._settings("config.json")
        settings.expect(EXPECTED, WHAT)
        prompts = self._prompts(settings)
        return Outline(
            config=encoder_config(settings, self._lookaheads()),
            tokens=self._tokens(settings),
            heads=(RNNT,),
            languages=languages_of_prompts(prompts) or languages_of_name(self.folder.resolve().name),
            prompts=prompts,
        )

    def num_parameters(self) -> int:
        self._settings("config.json").expect(EXPECTED, WHAT)  # says what is wrong with a folder of something else
        return sum(math.prod(shape) for name, shape in shapes_in(self.folder).items() if not name.startswith(NOT_NEEDED))

    def load(self) -> Checkpoint:
        outline = self.outline()
        stored = tensors_in(self.folder)
        parameters = {renamed(name): tensor for name, tensor in stored if not name.startswith(NOT_NEEDED)}
        return checked(outline, parameters, str(self.folder))

    def _settings(self, name: str) -> Settings:
        return Settings(read_json(self.folder / name), str(self.folder / name))

    def _processor(self) -> Settings | None:
        return self._settings("processor_config.json") if (self.folder / "processor_config.json").is_file() else None

    def _lookaheads(self) -> tuple[int, ...]:
        """In frames, the usual one first."""
        processor = self._processor()
        stated = ABSENT if processor is None else processor.get("supported_num_lookahead_tokens")
        if stated in (ABSENT, None):
            return LOOKAHEADS
        if not isinstance(stated, list) or not stated or not all(isinstance(frames, int) for frames in stated):
            raise WeightsError(
                f"{self.folder}/processor_config.json: supported_num_lookahead_tokens is {stated!r}; expected numbers."
            )
        return tuple(stated)

    def _prompts(self, settings: Settings) -> dict[str, int]:
        """Those that processor_config.json lists; without it only what config.json says for any language."""
        usual = settings.get("default_prompt_id")
        if settings.get("model_type") != "nemotron3_5_asr" or not isinstance(usual, int):
            return {}
        processor = self._processor()
        listed = ABSENT if processor is None else processor.get("prompt_dictionary")
        found = listed if isinstance(listed, dict) else {}
        if not all(isinstance(number, int) for number in found.values()):
            raise WeightsError(f"{self.folder}/processor_config.json: prompt_dictionary is {shown(found)}; expected numbers.")
        return {AUTO: usual, **{str(name): number for name, number in found.items()}}

    def _tokens(self, settings: Settings) -> Tokens:
        blank, num_outputs = settings.number("blank_token_id"), settings.number("vocab_size")
        if blank != num_outputs - 1:
            raise WeightsError(f"{settings.source}: the blank is {blank} of {num_outputs} outputs; expected the last one.")
        return tokenizer_json_tokens(self.folder / "tokenizer.json", blank)


def is_family(document: Mapping[str, Any]) -> bool:
    """Whether a config.json is of a model of this family."""
    return document.get("model_type") in MODEL_TYPES


def encoder_config(settings: Settings, lookaheads: Sequence[int]) -> EncoderConfig:
    """Raises WeightsError where config.json lacks something, or the network cannot stream."""
    d_model = settings.number("encoder_config.hidden_size")
    left = settings.number("encoder_config.sliding_window") - 1
    has_bias = settings.flag("encoder_config.attention_bias", default=True)
    settings.expect({"encoder_config.convolution_bias": (has_bias, *([ABSENT] if has_bias else []))}, WHAT)
    try:
        return EncoderConfig(
            num_mels=settings.number("encoder_config.num_mel_bins"),
            d_model=d_model,
            num_layers=settings.number("encoder_config.num_hidden_layers"),
            num_heads=settings.number("encoder_config.num_attention_heads"),
            subsampling=settings.number("encoder_config.subsampling_factor"),
            subsampling_channels=settings.number("encoder_config.subsampling_conv_channels"),
            contexts=tuple((left, right) for right in lookaheads),
            conv_kernel=settings.number("encoder_config.conv_kernel_size"),
            ff_expansion=settings.number("encoder_config.intermediate_size") // d_model,
            use_bias=has_bias,
            xscaling=settings.flag("encoder_config.scale_input", default=True),
        )
    except WeightsError as err:
        raise WeightsError(f"{settings.source}: {err.message}") from err


def renamed(name: str) -> str:
    """As NeMo calls it."""
    stage = STAGE.match(name)
    if stage is not None:
        number = 2 + 3 * int(stage[1]) + (stage[2] == "pointwise")
        return f"encoder.pre_encode.conv.{number}.{name[stage.end() :]}"
    for old, new in RENAMES:
        name = re.sub(old, new, name)
    return name
