"""The streaming step says what the network says over the whole utterance, whoever else is in the batch."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines.arithmetic import BF16, INT8, Arithmetic
from inference.engines.conformer_ctc.pool import PoolMemory, SlotPool
from inference.engines.conformer_ctc.runtime import Runtime
from tests.inference.engines.conformer_ctc.networks import SHAPES, config_of, network_of, random_mel, runtime_of

NUM_CHUNKS = 6
EXACT = 1e-5


def chunks_of(runtime: Runtime, mel: Tensor) -> list[Tensor]:
    """(mel frames, mels) as a stream brings it: padded in front."""
    geometry = runtime.geometry
    padded = torch.cat([torch.zeros(geometry.num_virtual_mel_frames, mel.shape[1]), mel])
    return list(torch.split(padded, geometry.chunk_mel_frames))


def streamed(runtime: Runtime, mels: Tensor, starts: list[int]) -> np.ndarray:
    """Rows of mels, each beginning at the step that `starts` says, and leaving when it is over."""
    chunks = [chunks_of(runtime, mel) for mel in mels]
    slots: dict[int, int] = {}
    said: list[list[np.ndarray]] = [[] for _ in mels]
    for tick in range(max(starts) + len(chunks[0])):
        rows = [row for row in range(len(mels)) if starts[row] <= tick < starts[row] + len(chunks[row])]
        if not rows:
            continue
        for row in rows:
            slots.setdefault(row, -1)
            if slots[row] < 0:
                slots[row] = runtime.take()
        output = runtime.step(torch.stack([chunks[row][tick - starts[row]] for row in rows]), [slots[row] for row in rows])
        for row, frames in zip(rows, output, strict=True):
            said[row].append(frames)
            if len(said[row]) == len(chunks[row]):
                runtime.give(slots[row])
    return np.array([np.concatenate(frames) for frames in said])


def whole_chunks(runtime: Runtime, num_chunks: int = NUM_CHUNKS) -> int:
    """Mel frames that give so many chunks exactly."""
    return num_chunks * runtime.geometry.chunk_mel_frames - runtime.geometry.num_virtual_mel_frames


@pytest.mark.parametrize("xscaling", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_streams_of_different_age_in_one_batch_hear_what_the_whole_utterance_says(shape: str, *, xscaling: bool) -> None:
    network = network_of(config_of(*SHAPES[shape], xscaling=xscaling, use_bias=not xscaling))
    runtime = runtime_of(network)
    mels = random_mel(3, whole_chunks(runtime))
    with torch.no_grad():
        expected, _ = network(mels, torch.full((3,), mels.shape[1]), network.config.default_right_frames)

    said = streamed(runtime, mels, starts=[0, 1, 4])

    np.testing.assert_allclose(said, expected.numpy(), atol=EXACT)


def test_a_row_is_the_same_in_whatever_batches_it_stands_and_whatever_slots_were_used_before() -> None:
    network = network_of(config_of(8, (6, 1)))
    runtime = runtime_of(network)
    mels = random_mel(40, whole_chunks(runtime))
    alone = np.concatenate([streamed(runtime_of(network), mel[None], [0]) for mel in mels])
    rng = random.Random(7)
    starts = [rng.randrange(60) for _ in mels]

    together = streamed(runtime, mels, starts)

    np.testing.assert_allclose(together, alone, atol=EXACT)
    assert runtime.pool.num_slots < len(mels)  # so slots were used again
    assert runtime.pool.num_taken == 0


def test_a_slot_that_is_not_cleared_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that the test before guards against, switched on."""
    network = network_of(config_of(8, (6, 1)))
    runtime = runtime_of(network)
    mel = random_mel(1, whole_chunks(runtime))
    first = streamed(runtime, mel, [0])
    monkeypatch.setattr(SlotPool, "clear", lambda _pool, _slot: None)

    again = streamed(runtime, mel, [0])

    assert np.abs(again - first).max() > 0.01


def test_the_pool_grows_under_streams_that_go_on() -> None:
    network = network_of(config_of(4, (10, 4)))
    runtime = runtime_of(network)
    mels = random_mel(2, whole_chunks(runtime))
    expected = streamed(runtime_of(network), mels, [0, 0])
    first, second = (chunks_of(runtime, mel) for mel in mels)
    slots = [runtime.take(), runtime.take()]
    said = [runtime.step(torch.stack(pair), slots) for pair in zip(first[:3], second[:3], strict=True)]

    runtime.pool.resize(4 * runtime.pool.num_slots)

    said += [runtime.step(torch.stack(pair), slots) for pair in zip(first[3:], second[3:], strict=True)]
    np.testing.assert_allclose(np.concatenate(said, axis=1), expected, atol=EXACT)


def test_a_step_that_broke_off_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(config_of(8, (6, 1)))
    mels = random_mel(1, whole_chunks(runtime_of(network)))
    expected = streamed(runtime_of(network), mels, [0])
    runtime = runtime_of(network)
    slot, said = runtime.take(), []

    for chunk in chunks_of(runtime, mels[0]):
        with monkeypatch.context() as patch:
            patch.setattr(PoolMemory, "commit", lambda _memory: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                runtime.step(chunk[None], [slot])
        said.append(runtime.step(chunk[None], [slot]))

    np.testing.assert_allclose(np.concatenate(said, axis=1), expected, atol=EXACT)


@pytest.mark.parametrize("arithmetic", [BF16, INT8], ids=lambda arithmetic: arithmetic.name)
def test_lower_precision_says_nearly_the_same(arithmetic: Arithmetic) -> None:
    network = network_of(config_of(8, (6, 1)))
    exact, rough = runtime_of(network), runtime_of(network, arithmetic)
    mels = random_mel(2, whole_chunks(exact))

    difference = np.abs(streamed(rough, mels, [0, 1]) - streamed(exact, mels, [0, 1]))

    assert 0 < difference.mean() < 0.25
