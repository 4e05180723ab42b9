"""Writes Whisper parameters in the layouts that others use, name by name, so that reading them can be checked.

The names are written out here and not derived from the tables of the readers. `benchmarks/references.py` shows that the
original implementations load what is written here.
"""

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from inference.engines.whisper.network import Dimensions, WhisperNetwork
from inference.engines.whisper.weights.layout import Weights

Names = tuple[tuple[str, str], ...]
"""Their name, ours; below one layer, or below the model."""

OPENAI_ATTENTION = ("query", "key", "value", "out")
OPENAI_LAYER: Names = (
    ("attn_ln", "self_attention.norm"),
    ("mlp_ln", "ffn.norm"),
    ("mlp.0", "ffn.linear_0"),
    ("mlp.2", "ffn.linear_1"),
)
OPENAI_MODEL: Names = (
    ("encoder.conv1.weight", "encoder.conv1.weight"),
    ("encoder.conv1.bias", "encoder.conv1.bias"),
    ("encoder.conv2.weight", "encoder.conv2.weight"),
    ("encoder.conv2.bias", "encoder.conv2.bias"),
    ("encoder.positional_embedding", "encoder.positions"),
    ("encoder.ln_post.weight", "encoder.norm.weight"),
    ("encoder.ln_post.bias", "encoder.norm.bias"),
    ("decoder.token_embedding.weight", "decoder.embeddings"),
    ("decoder.positional_embedding", "decoder.positions"),
    ("decoder.ln.weight", "decoder.norm.weight"),
    ("decoder.ln.bias", "decoder.norm.bias"),
)
HF_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
HF_LAYER: Names = (
    ("self_attn_layer_norm", "self_attention.norm"),
    ("final_layer_norm", "ffn.norm"),
    ("fc1", "ffn.linear_0"),
    ("fc2", "ffn.linear_1"),
)
HF_MODEL: Names = (
    ("model.encoder.conv1.weight", "encoder.conv1.weight"),
    ("model.encoder.conv1.bias", "encoder.conv1.bias"),
    ("model.encoder.conv2.weight", "encoder.conv2.weight"),
    ("model.encoder.conv2.bias", "encoder.conv2.bias"),
    ("model.encoder.embed_positions.weight", "encoder.positions"),
    ("model.encoder.layer_norm.weight", "encoder.norm.weight"),
    ("model.encoder.layer_norm.bias", "encoder.norm.bias"),
    ("model.decoder.embed_tokens.weight", "decoder.embeddings"),
    ("model.decoder.embed_positions.weight", "decoder.positions"),
    ("model.decoder.layer_norm.weight", "decoder.norm.weight"),
    ("model.decoder.layer_norm.bias", "decoder.norm.bias"),
)


def random_weights(dims: Dimensions) -> Weights:
    """Parameters of a model that knows nothing; keys have no bias, as in every Whisper."""
    torch.manual_seed(0)
    states = WhisperNetwork(dims).state_dict()
    parameters = {name: torch.randn(tensor.shape).half().float() * 0.1 for name, tensor in states.items()}
    for name, tensor in parameters.items():
        if name.endswith("self_attention.linear_0.bias"):
            tensor[dims.num_states : 2 * dims.num_states] = 0
        elif name.endswith(".attention.linear_1.bias"):
            tensor[: dims.num_states] = 0
    return Weights(parameters, dims.num_heads)


def small(*, num_tokens: int = 51864, num_mels: int = 80, num_decoder_layers: int = 2) -> Dimensions:
    return Dimensions(
        num_mels=num_mels,
        num_states=16,
        num_heads=2,
        num_encoder_layers=2,
        num_decoder_layers=num_decoder_layers,
        num_tokens=num_tokens,
        max_frames=1500,
    )


def _attention(parameters: Mapping[str, Tensor], ours: str, theirs: str, names: Sequence[str]) -> dict[str, Tensor]:
    """Query, key, value and output of one attention under `names`; the key's bias is left out."""
    is_self = ours.endswith("self_attention")
    linears = ("linear_0", "linear_1") if is_self else ("linear_0", "linear_1", "linear_2")
    found: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        joined = torch.cat([parameters[f"{ours}.{linear}.{kind}"] for linear in linears])
        found |= {f"{theirs}.{name}.{kind}": part.clone() for name, part in zip(names, joined.chunk(4), strict=True)}
    assert not found.pop(f"{theirs}.{names[1]}.bias").any(), "the key has a bias"
    return found


def _layer(parameters: Mapping[str, Tensor], ours: str, theirs: str, names: Names) -> dict[str, Tensor]:
    return {
        f"{theirs}.{their_name}.{kind}": parameters[f"{ours}.{our_name}.{kind}"]
        for their_name, our_name in names
        for kind in ("weight", "bias")
    }


class OpenAICheckpoint(TypedDict):
    dims: dict[str, int]
    model_state_dict: dict[str, Tensor]


def openai_checkpoint(weights: Weights) -> OpenAICheckpoint:
    parameters = weights.parameters
    dims = Dimensions.of(parameters, weights.num_heads)
    state = {theirs: parameters[ours] for theirs, ours in OPENAI_MODEL}
    for side, num_layers in (("encoder", dims.num_encoder_layers), ("decoder", dims.num_decoder_layers)):
        for index in range(num_layers):
            ours, theirs = f"{side}.layers.{index}", f"{side}.blocks.{index}"
            state |= _layer(parameters, ours, theirs, OPENAI_LAYER)
            state |= _attention(parameters, f"{ours}.self_attention", f"{theirs}.attn", OPENAI_ATTENTION)
            if side == "decoder":
                state |= _layer(parameters, ours, theirs, (("cross_attn_ln", "attention.norm"),))
                state |= _attention(parameters, f"{ours}.attention", f"{theirs}.cross_attn", OPENAI_ATTENTION)
    sizes = {"n_mels": dims.num_mels, "n_vocab": dims.num_tokens, "n_audio_ctx": dims.max_frames, "n_text_ctx": 448}
    for side, num_layers in (("audio", dims.num_encoder_layers), ("text", dims.num_decoder_layers)):
        sizes |= {f"n_{side}_state": dims.num_states, f"n_{side}_head": dims.num_heads, f"n_{side}_layer": num_layers}
    return {"dims": sizes, "model_state_dict": state}


def write_openai(path: Path, weights: Weights, dtype: torch.dtype = torch.float32) -> Path:
    checkpoint = openai_checkpoint(weights)
    state = {name: tensor.to(dtype) for name, tensor in checkpoint["model_state_dict"].items()}
    torch.save({"dims": checkpoint["dims"], "model_state_dict": state}, path)
    return path


def hugging_face_tensors(weights: Weights) -> dict[str, Tensor]:
    parameters = weights.parameters
    dims = Dimensions.of(parameters, weights.num_heads)
    tensors = {theirs: parameters[ours] for theirs, ours in HF_MODEL}
    for side, num_layers in (("encoder", dims.num_encoder_layers), ("decoder", dims.num_decoder_layers)):
        for index in range(num_layers):
            ours, theirs = f"{side}.layers.{index}", f"model.{side}.layers.{index}"
            tensors |= _layer(parameters, ours, theirs, HF_LAYER)
            tensors |= _attention(parameters, f"{ours}.self_attention", f"{theirs}.self_attn", HF_ATTENTION)
            if side == "decoder":
                tensors |= _layer(parameters, ours, theirs, (("encoder_attn_layer_norm", "attention.norm"),))
                tensors |= _attention(parameters, f"{ours}.attention", f"{theirs}.encoder_attn", HF_ATTENTION)
    return tensors


def hugging_face_config(dims: Dimensions) -> dict[str, object]:
    config: dict[str, object] = {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": dims.num_tokens,
        "num_mel_bins": dims.num_mels,
        "d_model": dims.num_states,
        "max_source_positions": dims.max_frames,
        "max_target_positions": 448,
        "activation_function": "gelu",
        "scale_embedding": False,
    }
    for side, num_layers in (("encoder", dims.num_encoder_layers), ("decoder", dims.num_decoder_layers)):
        config |= {
            f"{side}_layers": num_layers,
            f"{side}_attention_heads": dims.num_heads,
            f"{side}_ffn_dim": 4 * dims.num_states,
        }
    return config


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def write_hugging_face(
    folder: Path, weights: Weights, tokenizer: Path, *, num_shards: int = 1, dtype: torch.dtype = torch.float32
) -> Path:
    """config.json, tokenizer.json (a copy of `tokenizer`) and the tensors in `num_shards` files."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", hugging_face_config(Dimensions.of(weights.parameters, weights.num_heads)))
    shutil.copy(tokenizer, folder / "tokenizer.json")
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in hugging_face_tensors(weights).items()}
    if num_shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    weight_map = {name: f"model-{index % num_shards + 1:05}-of-{num_shards:05}.safetensors" for index, name in enumerate(tensors)}
    for shard in sorted(set(weight_map.values())):
        held = {name: tensor for name, tensor in tensors.items() if weight_map[name] == shard}
        save_file(held, folder / shard, metadata={"format": "pt"})
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    return folder


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, array: np.ndarray, code: int) -> bytes:
    """One variable of a model.bin; codes as in CTranslate2: 0 float32, 1 int8, 2 int16, 4 float16, 5 bfloat16."""
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return string(name) + shape + struct.pack("<BI", code, array.nbytes) + array.tobytes()


def model_bin(
    *variables: bytes, version: int = 6, architecture: str = "WhisperSpec", aliases: tuple[tuple[str, str], ...] = ()
) -> bytes:
    head = struct.pack("<I", version) + string(architecture) + struct.pack("<II", 3, len(variables))
    tail = struct.pack("<I", len(aliases)) + b"".join(string(alias) + string(target) for alias, target in aliases)
    return head + b"".join(variables) + tail
