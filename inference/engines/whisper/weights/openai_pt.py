"""Reads OpenAI's own Whisper checkpoints: one `.pt` file with `dims` and `model_state_dict`.

Read with torch's `weights_only`: nothing in the file is executed. The file has no tokenizer; the published ones are known.

Source of the names: openai/whisper `whisper/model.py`, MIT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from inference.engines.containers import unpickled
from inference.engines.whisper.vocabulary import Vocabulary
from inference.engines.whisper.weights.alignment_heads import DecoderSize
from inference.engines.whisper.weights.layout import Weights, checked, packed, renamed
from inference.engines.whisper.weights.standard import standard_rules, standard_tokenizer
from inference.errors import WeightsError

EXPECTED = "a `.pt` file as OpenAI publishes them. Copy the file anew, or give the folder where the model is one"
NOT_PARAMETERS = frozenset({"decoder.mask", "alignment_heads"})
RENAMES: Sequence[tuple[str, str]] = (
    (".blocks.", ".layers."),
    (".cross_attn_ln.", ".attention.norm."),
    (".cross_attn.", ".attention."),
    (".attn_ln.", ".self_attention.norm."),
    (".attn.", ".self_attention."),
    (".mlp_ln.", ".ffn.norm."),
    (".mlp.0.", ".ffn.linear_0."),
    (".mlp.2.", ".ffn.linear_1."),
    (".out.", ".output."),
    ("encoder.ln_post.", "encoder.norm."),
    ("decoder.ln.", "decoder.norm."),
    ("positional_embedding", "positions"),
    ("decoder.token_embedding.weight", "decoder.embeddings"),
)


@dataclass(frozen=True, slots=True)
class OpenAIFile:
    name: str
    path: Path

    def vocabulary(self) -> Vocabulary:
        dims = self._read()[0]
        size = DecoderSize(dims["n_text_layer"], dims["n_text_head"], dims["n_vocab"])
        return Vocabulary(standard_tokenizer(size.num_tokens), standard_rules(size, self.path.stem))

    def num_parameters(self) -> int:
        return sum(tensor.numel() for tensor in self._read()[1].values())

    def load(self) -> Weights:
        dims, state = self._read()
        if dims["n_audio_head"] != dims["n_text_head"]:
            raise WeightsError(
                f"{self.path} has {dims['n_audio_head']} and {dims['n_text_head']} heads; expected the same number."
            )
        parts = {renamed(name, RENAMES): tensor for name, tensor in state.items()}
        try:
            weights = Weights(packed(parts), dims["n_text_head"])
        except KeyError as err:
            raise WeightsError(f"{self.path} lacks the parameter {err}. Copy the file anew.") from err
        return checked(weights, self.vocabulary(), str(self.path))

    def _read(self) -> tuple[dict[str, int], dict[str, Tensor]]:
        """Dimensions and parameters, under OpenAI's names. The parameters stay on disk until they are used."""
        content = unpickled(self.path, str(self.path), EXPECTED)
        try:
            dims = {str(name): int(value) for name, value in content["dims"].items()}
            state = {name: tensor for name, tensor in content["model_state_dict"].items() if name not in NOT_PARAMETERS}
        except (TypeError, KeyError, AttributeError, ValueError, IndexError) as err:
            raise WeightsError(
                f"{self.path} is no OpenAI Whisper checkpoint; expected `dims` and `model_state_dict` in it."
            ) from err
        strange = [name for name, tensor in state.items() if not (isinstance(tensor, Tensor) and tensor.is_floating_point())]
        if strange:
            raise WeightsError(f"{self.path}: {strange[0]} is no tensor of real numbers. Copy the file anew.")
        missing = {"n_vocab", "n_audio_head", "n_text_head", "n_text_layer"} - dims.keys()
        if missing:
            raise WeightsError(f"{self.path} does not say {', '.join(sorted(missing))} in its `dims`. Copy the file anew.")
        return dims, state
