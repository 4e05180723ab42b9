"""The whole-utterance network: what it may see, and that rows do not depend on their batch."""

import json
import math

import pytest
import torch
from torch import Tensor

from inference.engines.conformer_ctc.config import EncoderConfig, read_config
from inference.engines.conformer_ctc.network import ConformerCtc, num_outputs, relative_positions, shifted
from inference.errors import WeightsError

VOCAB_SIZE = 5


def config_with(subsampling: int = 4) -> EncoderConfig:
    return EncoderConfig(
        num_mels=16,
        d_model=32,
        num_layers=2,
        num_heads=4,
        subsampling=subsampling,
        subsampling_channels=8,
        contexts=((6, 2), (6, 1)),
    )


def network_of(config: EncoderConfig) -> ConformerCtc:
    torch.manual_seed(0)
    return ConformerCtc(config, VOCAB_SIZE).eval()


def heard(network: ConformerCtc, mel: Tensor, right_frames: int) -> Tensor:
    with torch.no_grad():
        log_probs: Tensor = network(mel[None], torch.tensor([mel.shape[0]]), right_frames)[0]
    return log_probs[0]


@pytest.mark.parametrize("subsampling", [4, 8])
@pytest.mark.parametrize("right_frames", [2, 1])
def test_what_is_beyond_a_chunk_changes_nothing_in_it_and_its_own_last_frame_does(subsampling: int, right_frames: int) -> None:
    network = network_of(config_with(subsampling))
    mel = torch.randn(20 * subsampling, 16)
    last_mel_frame = right_frames * subsampling
    before = heard(network, mel, right_frames)
    beyond, within = mel.clone(), mel.clone()
    beyond[last_mel_frame + 1 :] += 1.0
    within[last_mel_frame] += 1.0

    assert torch.allclose(heard(network, beyond, right_frames)[: right_frames + 1], before[: right_frames + 1], atol=1e-6)
    assert (heard(network, within, right_frames)[0] - before[0]).abs().max() > 1e-4


def test_a_row_is_the_same_alone_and_beside_longer_ones() -> None:
    network = network_of(config_with())
    mel = torch.randn(3, 90, 16)
    with torch.no_grad():
        together, num_out = network(mel, torch.tensor([90, 41, 66]), 2)

    assert num_out.tolist() == [num_outputs(90, network.config), num_outputs(41, network.config), num_outputs(66, network.config)]
    assert torch.allclose(together[1, : num_out[1]], heard(network, mel[1, :41], 2), atol=1e-5)


def test_scores_by_distance_come_to_their_places() -> None:
    by_distance = torch.arange(4.0, -5.0, -1).expand(5, 9)

    by_place = shifted(by_distance[None, None])[0, 0]

    assert by_place.tolist() == [[float(query - key) for key in range(5)] for query in range(5)]


def test_positions_are_sines_of_distances_from_past_to_future() -> None:
    positions = relative_positions(3, 4)

    assert positions[:, 0].tolist() == pytest.approx([math.sin(distance) for distance in (2, 1, 0, -1, -2)])
    assert positions[:, 3].tolist() == pytest.approx([math.cos(distance / 100) for distance in (2, 1, 0, -1, -2)])


def test_parameters_bear_the_names_of_nemo() -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in network_of(config_with(8)).state_dict().items()}

    assert shapes["encoder.pre_encode.conv.5.weight"] == (8, 1, 3, 3)
    assert shapes["encoder.pre_encode.conv.6.weight"] == (8, 8, 1, 1)
    assert shapes["encoder.pre_encode.out.weight"] == (32, 8 * 3)
    assert shapes["encoder.layers.1.self_attn.linear_pos.weight"] == (32, 32)
    assert shapes["encoder.layers.1.self_attn.pos_bias_u"] == (4, 8)
    assert shapes["encoder.layers.1.conv.pointwise_conv1.weight"] == (64, 32, 1)
    assert shapes["encoder.layers.1.conv.depthwise_conv.weight"] == (32, 1, 9)
    assert shapes["encoder.layers.1.conv.batch_norm.weight"] == (32,)
    assert shapes["ctc_decoder.decoder_layers.0.weight"] == (VOCAB_SIZE + 1, 32, 1)
    assert "encoder.layers.1.self_attn.linear_pos.bias" not in shapes


def test_a_configuration_survives_its_file() -> None:
    config = config_with()

    assert read_config(json.dumps(config.as_json())) == config
    assert (config.frame_ms, config.chunk_ms(2), config.left_chunks(2), config.left_chunks(1)) == (40, 120, 2, 3)
    assert config.nearest_right_frames(90) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "no JSON"),
        ("{}", "does not say"),
        ('{"format": "hark-conformer-ctc", "encoder": {"num_mels": 80}}', "incomplete"),
        ('{"format": "hark-conformer-ctc", "encoder": {"mels": 80}}', "expected an object"),
    ],
)
def test_a_configuration_that_is_none_is_refused_with_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_config(text)
