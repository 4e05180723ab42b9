"""torchaudio's EMFORMER_RNNT_BASE_LIBRISPEECH as its three files: parameters, statistics of the features, SentencePiece's model.

torchaudio fetches them from download.pytorch.org when its bundle is used; here they lie in one folder, under their own names.

Source of the sizes: pytorch/audio `src/torchaudio/models/rnnt.py` (emformer_rnnt_base) and `pipelines/rnnt_pipeline.py`,
BSD-2-Clause.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from inference.decoding.tokens import Tokens
from inference.engines.containers import check_finite, read_json, unpickled
from inference.engines.pieces import sentencepiece_tokens
from inference.errors import WeightsError
from inference.torchaudio_compat import models

WEIGHTS: Final = "emformer_rnnt_base_librispeech.pt"
STATISTICS: Final = "global_stats_rnnt_librispeech.json"
SENTENCEPIECE: Final = "spm_bpe_4096_librispeech.model"
FILES: Final = (WEIGHTS, STATISTICS, SENTENCEPIECE)
EXPECTED: Final = "the parameters of torchaudio's EMFORMER_RNNT_BASE_LIBRISPEECH. Copy the file anew"
NUM_HEADS: Final = 8
NUM_NAMED: Final = 3
STRIDE: Final = 4
"""Feature frames of 10 ms in one of the encoder's."""
SEGMENT_FRAMES: Final = 4
LEFT_FRAMES: Final = 30
RIGHT_FRAMES: Final = 1
"""Of the encoder, 40 ms each; a step encodes one segment, and hears so much before and behind it."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the features that it was trained on: float32 (mels,)."""

    mean: Tensor
    inverse_deviation: Tensor


@dataclass(frozen=True, slots=True)
class Loaded:
    """network: torchaudio's RNNT, in float32."""

    network: nn.Module
    statistics: Statistics
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class EmformerFiles:
    name: str
    folder: Path

    def num_parameters(self) -> int:
        """From the head of the file."""
        with torch.serialization.skip_data():
            return sum(tensor.numel() for tensor in self._state().values())

    def load(self) -> Loaded:
        """Raises WeightsError where a file is missing, damaged or not of the others."""
        state = self._state()
        statistics = self._statistics()
        path = self.folder / SENTENCEPIECE
        tokens = sentencepiece_tokens(_content(path), str(path))
        network = network_of(state, str(self.folder / WEIGHTS))
        num_outputs, num_mels = len(state["joiner.linear.weight"]), state["transcriber.input_linear.weight"].shape[1]
        if num_outputs != len(tokens) + 1:
            raise WeightsError(
                f"{self.folder}: the network writes {num_outputs} tokens, {SENTENCEPIECE} has {len(tokens)}; expected one more "
                "in the network, the blank. Copy both from where they came from."
            )
        if len(statistics.mean) != num_mels:
            raise WeightsError(f"{self.folder}: {STATISTICS} is of {len(statistics.mean)} mels; the network hears {num_mels}.")
        return Loaded(network, statistics, tokens)

    def _state(self) -> dict[str, Tensor]:
        path = self.folder / WEIGHTS
        if not path.is_file():
            raise WeightsError(f"{self.folder} holds no {WEIGHTS}; expected {', '.join(FILES)}. Copy the folder anew.")
        state = unpickled(path, str(path), EXPECTED)
        if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
            raise WeightsError(f"{path} holds no tensors by name; expected {EXPECTED}.")
        return state

    def _statistics(self) -> Statistics:
        path = self.folder / STATISTICS
        stated = read_json(path)
        try:
            mean, inverse = (torch.tensor(stated[name], dtype=torch.float32) for name in ("mean", "invstddev"))
        except (KeyError, TypeError, ValueError) as err:
            raise WeightsError(f"{path} has no numbers under `mean` and `invstddev` ({err}). Copy it anew.") from err
        if mean.dim() != 1 or mean.shape != inverse.shape:
            raise WeightsError(
                f"{path}: `mean` has the shape {tuple(mean.shape)}, `invstddev` {tuple(inverse.shape)}. Copy it anew."
            )
        return Statistics(mean, inverse)


def is_emformer(folder: Path) -> bool:
    """Whether its files lie there; it has names that no other model has."""
    return (folder / WEIGHTS).is_file() or (folder / STATISTICS).is_file()


def network_of(state: Mapping[str, Tensor], source: str) -> nn.Module:
    """torchaudio's network with the parameters `state`, which say how large it is.

    Raises:
        WeightsError: a parameter is missing, unknown, of another shape or no number; the message begins with `source`.
    """
    try:
        network: nn.Module = models.emformer_rnnt_model(**sizes_of(state))
    except (KeyError, ValueError, IndexError, RuntimeError) as err:
        raise WeightsError(f"{source} lacks {err}; expected {EXPECTED}.") from err
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    strange = sorted(expected.keys() ^ state.keys()) or [name for name in expected if state[name].shape != expected[name]]
    if strange:
        raise WeightsError(f"{source} has other parameters: {', '.join(strange[:NUM_NAMED])}, …; expected {EXPECTED}.")
    check_finite(state, source)
    network.load_state_dict(dict(state))
    return network.eval().requires_grad_(requires_grad=False)


def sizes_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of `emformer_rnnt_model`: what parameters do not tell is as in the published model. Raises KeyError."""
    reduced, num_mels = state["transcriber.input_linear.weight"].shape
    num_symbols, embedding = state["predictor.embedding.weight"].shape
    return {
        "input_dim": num_mels,
        "encoding_dim": len(state["transcriber.output_linear.weight"]),
        "num_symbols": num_symbols,
        "segment_length": SEGMENT_FRAMES * STRIDE,
        "right_context_length": RIGHT_FRAMES * STRIDE,
        "time_reduction_input_dim": reduced,
        "time_reduction_stride": STRIDE,
        "transformer_num_heads": NUM_HEADS,
        "transformer_ffn_dim": len(state["transcriber.transformer.emformer_layers.0.pos_ff.1.weight"]),
        "transformer_num_layers": _num_below(state, "transcriber.transformer.emformer_layers."),
        "transformer_dropout": 0.1,
        "transformer_activation": "gelu",
        "transformer_left_context_length": LEFT_FRAMES,
        "transformer_max_memory_size": 0,
        "transformer_weight_init_scale_strategy": "depthwise",
        "transformer_tanh_on_mem": True,
        "symbol_embedding_dim": embedding,
        "num_lstm_layers": _num_below(state, "predictor.lstm_layers."),
        "lstm_layer_norm": True,
        "lstm_layer_norm_epsilon": 1e-3,
        "lstm_dropout": 0.3,
    }


def _num_below(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in state if name.startswith(prefix)})


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise WeightsError(f"{path} cannot be read ({err.strerror}). Copy it from where the model came from.") from err
