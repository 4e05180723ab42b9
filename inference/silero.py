"""Silero VAD 6 in torch: what its own ONNX file says, to a millionth, for a quarter of the time where many streams are judged.

The weights are those of the package `silero-vad`. A frame of 512 samples and 64 before it is seen as four windows of 256. Three
convolutions make one vector of these, a fourth and a recurrent cell the probability of that. Each is a matrix product over all
frames of a call; where a convolution would see nothing but the zeros at an edge, its weights are left out.
Source: snakers4/silero-vad 6.2 `silero_vad.jit` (the network at 16 kHz), MIT.
"""

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.endpointing import FRAME_SAMPLES
from inference.errors import WeightsError
from inference.vad import CONTEXT_SAMPLES, Judged, VadState

MODEL_FILE: Final = "silero_vad.jit"
MAX_BATCH: Final = 64
"""Frames that are encoded together. More are hardly faster."""
WINDOW: Final = 256
HOP: Final = 128
NUM_WINDOWS: Final = 4
NUM_BANDS: Final = WINDOW // 2 + 1
REFLECTED: Final = 64
"""Samples at the end of a frame that are heard once more, backwards, behind it."""
CHANNELS: Final = 128
TAPS: Final = 3


class SileroNetwork:
    """weights: by the names of the package's own network at 16 kHz."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        kernels = [weights[f"encoder.{number}.reparam_conv.weight"] for number in range(4)]
        self.biases = [weights[f"encoder.{number}.reparam_conv.bias"] for number in range(4)]
        self.window = weights["stft.forward_basis_buffer"][0, 0]  # what the cosine of no frequency is multiplied with
        self.first, self.second = _by_tap(kernels[0]), _by_tap(kernels[1])
        self.third = _by_tap(kernels[2][:, :, 1:])  # of two vectors; the first tap is left of them
        self.fourth = _by_tap(kernels[3][:, :, 1:2])  # of one vector, the middle tap
        self.cell = [weights[f"decoder.rnn.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        self.out, self.out_bias = weights["decoder.decoder.2.weight"][0, :, 0], weights["decoder.decoder.2.bias"]

    def run(self, frames: Tensor, num_streams: Sequence[int], hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of streams in their order: the first of each, then the second of those that have two, and so on.

        Args:
            frames: (frames, 576). num_streams: how many have a first, a second, … frame; those with more frames come first.
            hidden, cell: (streams, 128), what came before.

        Returns:
            Probabilities (frames,), and what follows after each frame: (frames, 2, 128).
        """
        states = []
        for vectors in torch.split(self.encode(frames), list(num_streams)):
            num = len(vectors)
            hidden, cell = torch.lstm_cell(vectors, (hidden[:num], cell[:num]), *self.cell)
            states.append(torch.cat([hidden, cell], dim=1))
        after = torch.cat(states).view(-1, 2, CHANNELS)
        return self.judge(after[:, 0]), after

    def encode(self, frames: Tensor) -> Tensor:
        """(frames, 576) → (frames, 128)."""
        return torch.cat([self._encode(some) for some in torch.split(frames, MAX_BATCH)])

    def _encode(self, frames: Tensor) -> Tensor:
        num = len(frames)
        seen = self.magnitudes(frames).as_strided(
            (num, NUM_WINDOWS, TAPS * NUM_BANDS), ((NUM_WINDOWS + 2) * NUM_BANDS, NUM_BANDS, 1)
        )
        states = self._dense(0, seen.reshape(-1, TAPS * NUM_BANDS), self.first)
        padded = states.new_zeros((num, 1 + NUM_WINDOWS, CHANNELS))
        padded[:, 1:] = states.view(num, NUM_WINDOWS, CHANNELS)
        seen = padded.as_strided((num, 2, TAPS * CHANNELS), ((1 + NUM_WINDOWS) * CHANNELS, 2 * CHANNELS, 1))
        states = self._dense(1, seen.reshape(2 * num, -1), self.second)
        states = self._dense(2, states.view(num, -1), self.third)
        return self._dense(3, states, self.fourth)

    def magnitudes(self, frames: Tensor) -> Tensor:
        """(frames, 576) → (frames, 6, 129): of the four windows, with nothing before and behind them."""
        heard = torch.cat([frames, frames[:, -REFLECTED - 1 : -1].flip(1)], dim=1).unfold(1, WINDOW, HOP)
        padded = frames.new_zeros((len(frames), NUM_WINDOWS + 2, NUM_BANDS))
        torch.abs(torch.fft.rfft(heard * self.window), out=padded[:, 1:-1])
        return padded

    def judge(self, hidden: Tensor) -> Tensor:
        return torch.addmv(self.out_bias.expand(len(hidden)), hidden.relu(), self.out).sigmoid_()

    def _dense(self, number: int, states: Tensor, weight: Tensor) -> Tensor:
        return torch.addmm(self.biases[number], states, weight).relu_()


class SileroVad:
    """A `SpeechDetector`. Belongs to the thread that runs the models."""

    def __init__(self) -> None:
        self._network = SileroNetwork(_weights())

    @torch.inference_mode()
    def judge(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[Judged]:
        if not frames:
            return []
        places, num_streams = laid_out([len(run) for run in frames])
        rows = np.empty((sum(num_streams), CONTEXT_SAMPLES + FRAME_SAMPLES), dtype=np.float32)
        before = np.empty((2, len(states), CHANNELS), dtype=np.float32)
        for run, state, place in zip(frames, states, places, strict=True):
            rows[place] = run
            before[:, place[0]] = state.recurrent
        probs, after = (
            found.numpy() for found in self._network.run(torch.from_numpy(rows), num_streams, *torch.from_numpy(before))
        )
        return [Judged(probs[place].tolist(), after[place]) for place in places]


def laid_out(num_frames: Sequence[int]) -> tuple[list[np.ndarray], list[int]]:
    """Where the frames of streams go so that those that can be judged at once lie together.

    Args:
        num_frames: of each stream, at least one.

    Returns:
        The places of each stream's frames; and how many streams have a first frame, a second, and so on. A stream's first place
        is its rank: those with more frames come before.
    """
    counts = np.asarray(num_frames)
    num_streams = (counts > np.arange(counts.max())[:, None]).sum(axis=1)
    starts = np.cumsum(num_streams) - num_streams
    ranks = np.empty_like(counts)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return [starts[:count] + rank for count, rank in zip(counts, ranks, strict=True)], num_streams.tolist()


def _by_tap(kernel: Tensor) -> Tensor:
    """(outputs, inputs, taps) → (taps * inputs, outputs)."""
    return kernel.permute(2, 1, 0).reshape(-1, len(kernel)).contiguous()


def _weights() -> dict[str, Tensor]:
    spec = importlib.util.find_spec("silero_vad")
    path = Path(spec.origin).parent / "data" / MODEL_FILE if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise WeightsError("The voice activity model is missing. Run `make reinstall` (package silero-vad).")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package has no other file with these weights that torch reads
        module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]  # torch says no types
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name.removeprefix("_model."): value.detach().clone() for name, value in named.items() if name.startswith("_model.")}
