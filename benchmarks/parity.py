"""Whether our streaming step computes what NeMo's own encoder computes with the same weights.

    pip install 'nemo_toolkit[asr]'    # in a throw-away environment that also has requirements-dev.txt
    python -m benchmarks.parity

Makes NeMo's cache-aware FastConformer with random weights, reads these by their names into our step, in which utterances begin
one after the other and share steps, and compares that with NeMo over the whole utterance; beside it stands how far NeMo's own
streaming is from that.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

import inference.torchaudio_compat  # noqa: F401  # NeMo imports torchaudio, which not everywhere can

# isort: split
from nemo.collections.asr.modules.conformer_encoder import ConformerEncoder

from inference.engines.arithmetic import CPU, FP32
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.step import StreamingEncoder

NUM_UTTERANCES: Final = 3
NUM_CHUNKS: Final = 12
MAX_DIFFERENCE: Final = 1e-4
"""Of numbers that are around 1: the sums are done in another order."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    config: EncoderConfig


CASES: Final = (
    Case("8x, 160 ms chunks, as the published models", EncoderConfig(80, 256, 4, 4, 8, 64, ((70, 1),))),
    Case("8x, 560 ms chunks, scaled input", EncoderConfig(80, 256, 4, 4, 8, 64, ((70, 6),), xscaling=True)),
    Case("8x, 80 ms chunks, 128 mels, no biases", EncoderConfig(128, 256, 4, 8, 8, 64, ((56, 0),), use_bias=False)),
    Case("4x, 200 ms chunks, as conformer-edge", EncoderConfig(80, 128, 6, 4, 4, 64, ((50, 4),))),
)


def theirs(config: EncoderConfig) -> nn.Module:
    left, right = config.contexts[0]
    encoder: nn.Module = ConformerEncoder(
        feat_in=config.num_mels,
        n_layers=config.num_layers,
        d_model=config.d_model,
        subsampling="dw_striding",
        subsampling_factor=config.subsampling,
        subsampling_conv_channels=config.subsampling_channels,
        causal_downsampling=True,
        ff_expansion_factor=config.ff_expansion,
        self_attention_model="rel_pos",
        n_heads=config.num_heads,
        att_context_size=[left, right],
        att_context_style="chunked_limited",
        xscaling=config.xscaling,
        untie_biases=True,
        conv_kernel_size=config.conv_kernel,
        conv_norm_type="layer_norm",
        conv_context_size="causal",
        use_bias=config.use_bias,
        dropout=0.0,
        dropout_emb=0.0,
        dropout_att=0.0,
    )
    for name, parameter in encoder.named_parameters():
        if parameter.dim() == 1 or "pos_bias" in name:
            nn.init.normal_(parameter, mean=1.0 if "norm" in name and name.endswith("weight") else 0.0, std=0.2)
    return encoder.eval()


def whole(encoder: Any, mels: Tensor) -> np.ndarray:
    """(utterances, frames, d_model)"""
    lengths = torch.full((len(mels),), mels.shape[1])
    states, _ = encoder(audio_signal=mels.transpose(1, 2), length=lengths)
    found: np.ndarray = states.transpose(1, 2).numpy()
    return found


def their_streaming(encoder: Any, chunks: Sequence[Tensor]) -> np.ndarray:
    """chunks: (utterances, mel frames, mels) each; all utterances begin together."""
    encoder.setup_streaming_params()
    channel, time, lengths = encoder.get_initial_cache_state(batch_size=NUM_UTTERANCES)
    said, num_overlapping = [], encoder.streaming_cfg.pre_encode_cache_size[1]
    drop = encoder.streaming_cfg.drop_extra_pre_encoded
    before = torch.zeros(NUM_UTTERANCES, num_overlapping, chunks[0].shape[2])
    for number, chunk in enumerate(chunks):
        seen = torch.cat([before, chunk], dim=1)
        heard = seen if number else chunk  # the first chunk has nothing before it
        states, _, channel, time, lengths = encoder.cache_aware_stream_step(
            processed_signal=heard.transpose(1, 2),
            processed_signal_length=torch.full((NUM_UTTERANCES,), heard.shape[1]),
            cache_last_channel=channel,
            cache_last_time=time,
            cache_last_channel_len=lengths,
            keep_all_outputs=False,
            drop_extra_pre_encoded=drop if number else 0,
        )
        said.append(states.transpose(1, 2).numpy())
        before = seen[:, -num_overlapping:]
    return np.concatenate(said, axis=1)


def ours(config: EncoderConfig, parameters: dict[str, Tensor], mels: Tensor) -> np.ndarray:
    """Utterance n begins n steps after the first."""
    geometry = Geometry(config, config.default_right_frames)
    runtime = TorchRuntime(StreamingEncoder(geometry, parameters), nn.Identity(), FP32, CPU)
    padded = torch.cat([torch.zeros(len(mels), geometry.num_virtual_mel_frames, config.num_mels), mels], dim=1)
    chunks = padded.unflatten(1, (-1, geometry.chunk_mel_frames))  # type: ignore[no-untyped-call]  # torch left it out
    slots = [runtime.take() for _ in mels]
    said: list[list[np.ndarray]] = [[] for _ in mels]
    for tick in range(chunks.shape[1] + len(mels) - 1):
        rows = [row for row in range(len(mels)) if 0 <= tick - row < chunks.shape[1]]
        output = runtime.step(torch.stack([chunks[row, tick - row] for row in rows]), [slots[row] for row in rows])
        for row, frames in zip(rows, output, strict=True):
            said[row].append(frames)
    return np.stack([np.concatenate(frames) for frames in said])


@torch.no_grad()
def compared(case: Case) -> tuple[float, float]:
    """The largest difference from NeMo over the whole: of our step, and of NeMo's streaming."""
    torch.manual_seed(0)
    config, encoder = case.config, theirs(case.config)
    geometry = Geometry(config, config.default_right_frames)
    num_first = geometry.chunk_mel_frames - geometry.num_virtual_mel_frames
    mels = torch.randn(NUM_UTTERANCES, num_first + (NUM_CHUNKS - 1) * geometry.chunk_mel_frames, config.num_mels) * 3 - 6
    chunks = [mels[:, :num_first], *torch.split(mels[:, num_first:], geometry.chunk_mel_frames, dim=1)]
    parameters = {f"encoder.{name}": weight.detach() for name, weight in encoder.named_parameters()}
    expected = whole(encoder, mels)
    found = ours(config, parameters, mels), their_streaming(encoder, chunks)
    mine, their_own = (float(np.abs(said - expected).max()) for said in found)
    return mine, their_own


def main() -> None:
    failed = False
    for case in CASES:
        mine, their_own = compared(case)
        failed |= mine > MAX_DIFFERENCE
        sys.stdout.write(f"{case.name}: ours {mine:.1e}, NeMo's streaming {their_own:.1e}\n")
    if failed:
        raise SystemExit(f"Differences above {MAX_DIFFERENCE:.0e}: our step does not compute what NeMo's encoder does.")


if __name__ == "__main__":
    main()
