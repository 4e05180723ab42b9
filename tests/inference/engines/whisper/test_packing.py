"""Packed windows go through the encoder all at once, as on a GPU, or one by one, as on a processor: the result is the same."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines.whisper import network as network_module
from inference.engines.whisper.features import LogMel
from inference.engines.whisper.network import MAX_TOKENS, Dimensions, Silence, WhisperNetwork
from inference.engines.whisper.packing import AllAtOnce, OneByOne, Packing, packing
from tests.speech import clips

CPU = torch.device("cpu")
LENGTHS = (40, 2, 128, 66)
"""Mel frames: the shortest window is one frame, the sum is no multiple of 64."""
HEADS = 4


def states(num_rows: int, width: int = 32) -> Tensor:
    return torch.randn(num_rows, width, generator=torch.Generator().manual_seed(num_rows))


def both(lengths: Sequence[int]) -> tuple[Packing, Packing]:
    return OneByOne(lengths), AllAtOnce(lengths, CPU)


def heads(packed: Tensor) -> Tensor:
    return packed.view(*packed.shape[:-1], HEADS, -1).transpose(1, 2)


@pytest.mark.parametrize("lengths", [LENGTHS, (64,), (2,), (30, 30)], ids=str)
def test_every_frame_stands_with_its_neighbours_of_the_same_window(lengths: tuple[int, ...]) -> None:
    mels = [states(length) for length in lengths]
    one_by_one, all_at_once = both(lengths)

    assert torch.equal(all_at_once.triples(mels), one_by_one.triples(mels))


@pytest.mark.parametrize("lengths", [LENGTHS, (64,), (2,), (30, 30)], ids=str)
def test_every_second_frame_too_and_rows_behind_the_windows_are_ignored(lengths: tuple[int, ...]) -> None:
    packed = states(sum(lengths) + 7)
    one_by_one, all_at_once = both(lengths)

    assert torch.equal(all_at_once.every_second(packed), one_by_one.every_second(packed))


@pytest.mark.parametrize("lengths", [LENGTHS, (64,), (2,), (30, 30)], ids=str)
def test_attention_sees_the_own_window_only(lengths: tuple[int, ...]) -> None:
    num_frames = sum(lengths) // 2
    query, key, value = (states(num_frames + 5).roll(shift, dims=1) for shift in range(3))
    one_by_one, all_at_once = both(lengths)

    attended = all_at_once.attend(query, key, value, heads)

    torch.testing.assert_close(attended, one_by_one.attend(query, key, value, heads), atol=1e-5, rtol=0)
    assert not attended[num_frames:].any()


def test_attention_without_its_mask_would_differ() -> None:
    one_by_one, all_at_once = both(LENGTHS)
    assert isinstance(all_at_once, AllAtOnce)
    all_at_once.visible.logical_or_(torch.tensor(True))
    query = states(sum(LENGTHS) // 2)

    difference = all_at_once.attend(query, query, query, heads) - one_by_one.attend(query, query, query, heads)

    assert float(difference.abs().max()) > 0.1


def test_the_device_chooses() -> None:
    assert isinstance(packing(LENGTHS, CPU), OneByOne)
    assert isinstance(packing(LENGTHS, torch.device("meta")), AllAtOnce)


@pytest.fixture(scope="module")
def network() -> WhisperNetwork:
    """A small one of random numbers."""
    torch.manual_seed(5)
    made = WhisperNetwork(Dimensions(80, 64, 4, 2, 2, 100, 1500)).eval().requires_grad_(requires_grad=False)
    for positions in (made.encoder.positions, made.decoder.positions):
        positions.normal_()
    assert made.decoder.positions.shape == (MAX_TOKENS, 64)
    return made


@torch.inference_mode()
def test_the_encoder_gives_the_same(network: WhisperNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    mels = [states(length, 80) for length in LENGTHS]
    expected = network.encoder(mels)
    monkeypatch.setattr(network_module, "packing", AllAtOnce)

    for ours, theirs in zip(network.encoder(mels), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_keys_and_values_for_the_decoder_are_the_same_within_each_window(
    network: WhisperNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = [states(length // 2, 64) for length in LENGTHS]
    silence = Silence.condensed(network.decoder.project([states(50, 64)]), 5)
    expected = network.listen(encoded, silence, 50)
    monkeypatch.setattr(network, "_projected", network.decoder.project_padded)

    audio = network.listen(encoded, silence, 50)

    assert torch.equal(audio.bias, expected.bias)
    within = (expected.bias != -torch.inf)[:, :, 0, :, None]
    for ours, theirs in zip(audio.layers, expected.layers, strict=True):
        for tensor, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(tensor * within, other * within, atol=1e-5, rtol=0)


def test_features_are_the_same() -> None:
    log_mel = LogMel(80)
    windows = [clip.audio[: len(clip.audio) // 320 * 320] for clip in clips()] + [np.zeros(3_200, dtype=np.float32)]

    for ours, theirs in zip(log_mel.all_at_once(windows), log_mel.of_batch(windows), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
