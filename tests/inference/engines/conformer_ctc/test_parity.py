"""The same weights in transformers' encoder say the same: over whole utterances there, in our streaming step."""

import numpy as np
import pytest
import torch
from torch import nn

import inference.torchaudio_compat  # noqa: F401  # transformers imports torchaudio where it finds it, and not always can

# isort: split
from transformers.models.nemotron_asr_streaming.configuration_nemotron_asr_streaming import NemotronAsrStreamingEncoderConfig
from transformers.models.nemotron_asr_streaming.modeling_nemotron_asr_streaming import NemotronAsrStreamingEncoder

from inference.engines.arithmetic import CPU, FP32
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.step import StreamingEncoder
from inference.engines.conformer_ctc.weights.huggingface import renamed
from tests.inference.engines.conformer_ctc.networks import config_of, random_mel, seeded
from tests.inference.engines.conformer_ctc.test_step import streamed, whole_chunks


def theirs(config: EncoderConfig) -> nn.Module:
    left, right = config.contexts[0]
    sizes = NemotronAsrStreamingEncoderConfig(
        hidden_size=config.d_model,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        intermediate_size=config.ff_expansion * config.d_model,
        attention_bias=config.use_bias,
        convolution_bias=config.use_bias,
        conv_kernel_size=config.conv_kernel,
        subsampling_factor=config.subsampling,
        subsampling_conv_channels=config.subsampling_channels,
        num_mel_bins=config.num_mels,
        scale_input=config.xscaling,
        sliding_window=left + 1,
        default_num_lookahead_tokens=right,
    )
    with seeded(0):
        encoder: nn.Module = NemotronAsrStreamingEncoder(sizes).eval()
        for parameter in encoder.parameters():
            nn.init.normal_(parameter, std=0.3)
    return encoder


@pytest.mark.parametrize(
    ("subsampling", "context", "xscaling"), [(8, (70, 1), True), (8, (21, 6), False), (8, (14, 0), True), (4, (10, 4), False)]
)
def test_transformers_says_the_same_of_the_whole(subsampling: int, context: tuple[int, int], *, xscaling: bool) -> None:
    config = config_of(subsampling, context, xscaling=xscaling, use_bias=xscaling)
    encoder = theirs(config)
    weights = {renamed(f"encoder.{name}"): weight.detach() for name, weight in encoder.state_dict().items()}
    geometry = Geometry(config, context[1])
    runtime = TorchRuntime(StreamingEncoder(geometry, weights), nn.Identity(), FP32, CPU)
    mels = random_mel(2, whole_chunks(runtime, num_chunks=8))
    with torch.no_grad():
        expected = encoder(mels, num_lookahead_tokens=context[1]).last_hidden_state

    said = streamed(runtime, mels, starts=[0, 3])

    np.testing.assert_allclose(said, expected.numpy(), atol=1e-5)
