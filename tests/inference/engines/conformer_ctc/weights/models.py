"""Small random models of the family, and each container to put them in."""

import io
import json
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.rnnt import RnntHead, Sizes
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint, Head

PIECES = ("<unk>", "▁", "e", "▁on", "t", "▁two")
CONTEXTS = ((8, 3), (8, 1))


def small(subsampling: int = 4) -> EncoderConfig:
    return EncoderConfig(
        num_mels=16,
        d_model=16,
        num_layers=2,
        num_heads=2,
        subsampling=subsampling,
        subsampling_channels=4,
        contexts=CONTEXTS,
        conv_kernel=5,
        xscaling=True,
    )


def random_checkpoint(
    config: EncoderConfig | None = None, heads: tuple[Head, ...] = ("ctc",), *, num_prompts: int = 0, seed: int = 0
) -> Checkpoint:
    torch.manual_seed(seed)
    config = config or small()
    parameters = dict(ConformerCtc(config, len(PIECES)).state_dict())
    if "ctc" not in heads:
        parameters = {name: tensor for name, tensor in parameters.items() if name.startswith("encoder.")}
    if "rnnt" in heads:
        sizes = Sizes(
            config.d_model, len(PIECES) + 1, size=12, num_layers=2, joint_size=10, num_prompts=num_prompts, prompt_size=9
        )
        parameters |= RnntHead(sizes).state_dict()
        parameters["decoder.prediction.embed.weight"][-1] = 0
    random = {name: torch.randn_like(tensor) * 0.3 for name, tensor in parameters.items()}
    return Checkpoint(config=config, tokens=Tokens(PIECES), heads=heads, languages=("en", "de"), parameters=random)


def sentencepiece_model(pieces: tuple[str, ...] = PIECES, model_type: int = 1) -> bytes:
    """As the library writes it: a message for each piece with its text, a score, and its kind; then the trainer's settings, with
    model_type 1 (unigrams) or 2 (byte pairs)."""
    messages = [
        _field(1, piece.encode()) + b"\x15" + struct.pack("<f", -number) + b"\x18\x01" for number, piece in enumerate(pieces)
    ]
    return b"".join(_field(1, message) for message in messages) + _field(2, b"\x0a\x03abc" + bytes([3 << 3, model_type]))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def nemo_config(config: EncoderConfig) -> dict[str, Any]:
    """The parts of a model_config.yaml that matter, with references as hydra resolves them."""
    return {
        "sample_rate": 16000,
        "model_defaults": {"enc_hidden": config.d_model, "pred_hidden": 12},
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": "${sample_rate}",
            "normalize": "NA",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": config.num_mels,
            "n_fft": 512,
            "log": True,
            "dither": 1e-05,
            "pad_to": 0,
        },
        "tokenizer": {"dir": "/data/tokenizer", "type": "bpe", "model_path": "nemo:ab12_tokenizer.model"},
        "encoder": {
            "feat_in": "${preprocessor.features}",
            "feat_out": -1,
            "n_layers": config.num_layers,
            "d_model": "${model_defaults.enc_hidden}",
            "subsampling": "dw_striding",
            "subsampling_factor": config.subsampling,
            "subsampling_conv_channels": config.subsampling_channels,
            "causal_downsampling": True,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": config.num_heads,
            "att_context_size": [list(context) for context in config.contexts],
            "att_context_style": "chunked_limited",
            "xscaling": config.xscaling,
            "conv_kernel_size": config.conv_kernel,
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
        },
        "joint": {"jointnet": {"joint_hidden": 10, "activation": "relu", "dropout": 0.2}},
    }


def write_nemo(
    path: Path,
    parameters: Mapping[str, Tensor],
    config: Mapping[str, Any],
    *,
    mode: str = "w",
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """mode: of tarfile, `w` or `w:gz`. extra: further members, which stand first."""
    weights = io.BytesIO()
    torch.save(dict(parameters), weights)
    members = {
        **(extra or {}),
        "./": b"",
        "./model_config.yaml": yaml.safe_dump(dict(config)).encode(),
        "./ab12_tokenizer.model": sentencepiece_model(),
        "./model_weights.ckpt": weights.getvalue(),
    }
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]  # a mode of a variable
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


HF_NAMES = (
    ("encoder.pre_encode.conv.0.", "encoder.subsampling.conv_in."),
    ("encoder.pre_encode.conv.2.", "encoder.subsampling.layers.0.depthwise_conv."),
    ("encoder.pre_encode.conv.3.", "encoder.subsampling.layers.0.pointwise_conv."),
    ("encoder.pre_encode.conv.5.", "encoder.subsampling.layers.1.depthwise_conv."),
    ("encoder.pre_encode.conv.6.", "encoder.subsampling.layers.1.pointwise_conv."),
    ("encoder.pre_encode.out.", "encoder.subsampling.linear."),
    ("self_attn.linear_q.", "self_attn.q_proj."),
    ("self_attn.linear_k.", "self_attn.k_proj."),
    ("self_attn.linear_v.", "self_attn.v_proj."),
    ("self_attn.linear_out.", "self_attn.o_proj."),
    ("self_attn.linear_pos.", "self_attn.relative_k_proj."),
    ("self_attn.pos_bias_", "self_attn.bias_"),
    ("conv.batch_norm.", "conv.norm."),
    ("joint.enc.", "encoder_projector."),
    ("joint.pred.", "decoder.decoder_projector."),
    ("joint.joint_net.2.", "joint.head."),
    ("decoder.prediction.embed.", "decoder.embedding."),
    ("decoder.prediction.dec_rnn.lstm.", "decoder.lstm."),
    ("prompt_kernel.0.", "prompt_projector.linear_1."),
    ("prompt_kernel.2.", "prompt_projector.linear_2."),
)


def hugging_face_config(config: EncoderConfig) -> dict[str, Any]:
    return {
        "model_type": "nemotron_asr_streaming",
        "vocab_size": len(PIECES) + 1,
        "blank_token_id": len(PIECES),
        "hidden_act": "relu",
        "encoder_config": {
            "model_type": "nemotron_asr_streaming_encoder",
            "hidden_size": config.d_model,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "intermediate_size": config.ff_expansion * config.d_model,
            "hidden_act": "silu",
            "attention_bias": config.use_bias,
            "convolution_bias": config.use_bias,
            "conv_kernel_size": config.conv_kernel,
            "subsampling_factor": config.subsampling,
            "subsampling_conv_channels": config.subsampling_channels,
            "num_mel_bins": config.num_mels,
            "scale_input": config.xscaling,
            "sliding_window": config.left_frames + 1,
        },
    }


def write_hugging_face(folder: Path, checkpoint: Checkpoint, changes: Mapping[str, Any] | None = None) -> Path:
    """changes: to config.json."""
    folder.mkdir()
    write_json(folder / "config.json", hugging_face_config(checkpoint.config) | dict(changes or {}))
    write_json(folder / "processor_config.json", {"supported_num_lookahead_tokens": [right for _, right in CONTEXTS]})
    vocab = {piece: number for number, piece in enumerate(PIECES)}
    added = [{"id": len(PIECES), "content": "<blank>"}, {"id": len(PIECES) + 1, "content": "<pad>"}]
    write_json(folder / "tokenizer.json", {"model": {"type": "BPE", "vocab": vocab}, "added_tokens": added})
    save_file({_hf_name(name): tensor for name, tensor in checkpoint.parameters.items()}, folder / "model.safetensors")
    return folder


def _hf_name(name: str) -> str:
    for nemo, hugging_face in HF_NAMES:
        name = name.replace(nemo, hugging_face)
    return name


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def assert_same(read: Checkpoint, written: Checkpoint) -> None:
    assert read.config == written.config
    assert read.tokens.pieces == written.tokens.pieces
    assert read.heads == written.heads
    assert read.parameters.keys() == written.parameters.keys()
    assert all(torch.equal(read.parameters[name], tensor) for name, tensor in written.parameters.items())
