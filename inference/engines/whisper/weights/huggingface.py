"""Reads Whisper models as Hugging Face's transformers writes them: config.json, model.safetensors, tokenizer.json.

Large models come in shards that model.safetensors.index.json lists. Nothing is executed while reading.

Source of the names: huggingface/transformers `models/whisper/modeling_whisper.py`, Apache-2.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from inference.engines.containers import num_numbers_in, read_json, tensors_in
from inference.engines.whisper.tokenizer import read_tokenizer, tokenizer_of_merges
from inference.engines.whisper.vocabulary import Vocabulary
from inference.engines.whisper.weights.alignment_heads import DecoderSize
from inference.engines.whisper.weights.layout import Weights, check_is_tied, checked, packed, renamed
from inference.engines.whisper.weights.standard import standard_rules, stated_rules
from inference.errors import WeightsError

EXPECTED: dict[str, tuple[object, ...]] = {
    "model_type": ("whisper",),
    "activation_function": ("gelu", None),
    "scale_embedding": (False, None),
}
"""What config.json must say, where it says it. `None`: may be left out."""
SIZES = ("vocab_size", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads")
RENAMES: Sequence[tuple[str, str]] = (
    (".self_attn_layer_norm.", ".self_attention.norm."),
    (".encoder_attn_layer_norm.", ".attention.norm."),
    (".final_layer_norm.", ".ffn.norm."),
    ("coder.layer_norm.", "coder.norm."),
    (".self_attn.", ".self_attention."),
    (".encoder_attn.", ".attention."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".output."),
    (".fc1.", ".ffn.linear_0."),
    (".fc2.", ".ffn.linear_1."),
    (".embed_positions.weight", ".positions"),
    ("decoder.embed_tokens.weight", "decoder.embeddings"),
)


@dataclass(frozen=True, slots=True)
class HuggingFaceFiles:
    name: str
    folder: Path

    def vocabulary(self) -> Vocabulary:
        config = self._config()
        size = DecoderSize(config["decoder_layers"], config["decoder_attention_heads"], config["vocab_size"])
        stated = {**config, **self._generation_config()}
        try:
            rules = stated_rules(
                lambda: standard_rules(size, self.folder.name.removeprefix("whisper-")),
                heads=_fitting(stated.get("alignment_heads") or [], size),
                suppressed=_tokens(stated.get("suppress_tokens"), size),
                suppressed_first=_tokens(stated.get("begin_suppress_tokens"), size),
            )
        except (TypeError, ValueError) as err:
            raise WeightsError(f"The configuration in {self.folder} cannot be used ({err}). Copy the folder anew.") from err
        return Vocabulary(self._tokenizer(), rules)

    def num_parameters(self) -> int:
        self._config()  # says what is wrong with a folder of something else
        return num_numbers_in(self.folder)

    def load(self) -> Weights:
        config = self._config()
        tensors = dict(tensors_in(self.folder))
        written = tensors.pop("proj_out.weight", None)
        parts = {renamed(name.removeprefix("model."), RENAMES): tensor for name, tensor in tensors.items()}
        try:
            check_is_tied(written, parts["decoder.embeddings"], str(self.folder))
            weights = Weights(packed(parts), config["decoder_attention_heads"])
        except KeyError as err:
            raise WeightsError(
                f"{self.folder} lacks the parameter {err}. Give the complete model, merged if it was adapted."
            ) from err
        return checked(weights, self.vocabulary(), str(self.folder))

    def _config(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        config = read_json(path)
        for name, allowed in EXPECTED.items():
            if config.get(name) not in allowed:
                raise WeightsError(
                    f"{path} says {name} is {config.get(name)!r}; this server reads Whisper models with {allowed[0]!r}."
                )
        if "quantization_config" in config:
            raise WeightsError(f"{self.folder} is stored quantised; give the float32, float16 or bfloat16 model.")
        missing = [name for name in SIZES if not isinstance(config.get(name), int)]
        if missing:
            raise WeightsError(f"{path} does not say {', '.join(missing)}; expected numbers. Copy the folder anew.")
        if config["encoder_attention_heads"] != config["decoder_attention_heads"]:
            raise WeightsError(f"{path} has another number of heads in encoder and decoder; expected the same.")
        return config

    def _generation_config(self) -> dict[str, Any]:
        path = self.folder / "generation_config.json"
        return read_json(path) if path.is_file() else {}

    def _tokenizer(self) -> Tokenizer:
        if not (self.folder / "vocab.json").is_file() or (self.folder / "tokenizer.json").is_file():
            return read_tokenizer(self.folder / "tokenizer.json")
        added = self.folder / "added_tokens.json"
        return tokenizer_of_merges(
            self.folder / "vocab.json", self.folder / "merges.txt", read_json(added) if added.is_file() else {}
        )


def _fitting(heads: list[list[int]], size: DecoderSize) -> list[list[int]] | None:
    """None where one lies outside the decoder: then they are those of a larger model, whose configuration was copied."""
    return heads if all(layer < size.num_layers and head < size.num_heads for layer, head in heads) else None


def _tokens(given: list[int] | None, size: DecoderSize) -> list[int] | None:
    return None if given is None else [token for token in given if 0 <= token < size.num_tokens]
