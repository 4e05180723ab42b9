"""Every tensor is made where the network is, as on a GPU, shown without one.

Two ways. A device that holds no numbers, but refuses to compute with tensors of another one, stands for the GPU. And on
the processor every function that makes a tensor is watched for whether it is told the device.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorDeviceMismatchError, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from inference.engines import registry
from inference.engines.base import Window
from inference.engines.whisper import graphs, runner
from inference.engines.whisper.decoding import Writer
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.features import LogMel
from inference.engines.whisper.graphs import Shape, StaticRun, StaticRunner
from inference.engines.whisper.network import AudioMemory, Dimensions, Silence, WhisperNetwork
from inference.engines.whisper.runner import EagerRunner, Line, Rules, logits_of, moved
from inference.engines.whisper.state import WhisperState
from tests.speech import clips

NUM_TOKENS = 100
LINES = [Line((1, 2, 3), first=1, begins=True, chooses=True), Line((1, 2, 3, 4), first=3, begins=False, chooses=False)]

# A device that stands for the GPU


@pytest.fixture(scope="module")
def pretended() -> torch.device:
    _setup_privateuseone_for_python_backend("pretended")
    return torch.device("pretended:0")


@pytest.fixture
def fake(pretended: torch.device) -> Iterator[None]:
    """Tensors have a shape, a type and a device, but no numbers."""
    with FakeTensorMode(allow_non_fake_inputs=True), CopiesToIt(), torch.inference_mode():
        yield


class CopiesToIt(TorchFunctionMode):
    """Lets `tensor.to(device)` work for small tensors from the processor, whose numbers torch would try to keep."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.to and isinstance(args[1], torch.device) and args[0].device != args[1]:
            return torch.zeros(args[0].shape, dtype=args[0].dtype, device=args[1])
        return func(*args, **(kwargs or {}))


@pytest.fixture
def network(pretended: torch.device, fake: None) -> WhisperNetwork:
    made = WhisperNetwork(Dimensions(80, 64, 4, 2, 2, NUM_TOKENS, 1500)).eval()
    for module in made.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.to(pretended), requires_grad=False))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, buffer.to(pretended))
    return made


@pytest.fixture
def silence(network: WhisperNetwork, pretended: torch.device) -> Silence:
    return Silence.condensed(network.decoder.project([torch.zeros(50, 64, device=pretended)]), 5)


LOG_MEL = LogMel(80)


def listened(network: WhisperNetwork, silence: Silence, device: torch.device) -> AudioMemory:
    """Two windows, from samples to what the decoder sees of them."""
    log_mel = copy(LOG_MEL)
    log_mel.device, log_mel.filters, log_mel.window = device, LOG_MEL.filters.to(device), LOG_MEL.window.to(device)
    windows = [np.zeros(num_samples, dtype=np.float32) for num_samples in (3_200, 9_600)]
    return network.listen(network.encoder(log_mel.of_batch(windows)), silence, 50)


def rules(device: torch.device) -> Rules:
    return Rules(moved([5, 6], device), moved([7], device), ((0, 1), (1, 3)), end=8, no_speech=9)


@pytest.fixture
def transfers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tensors came back in each transfer; there are no numbers in them, so zeros come instead."""
    counts: list[int] = []

    def zeros(tensors: Sequence[Tensor]) -> list[Tensor]:
        assert {tensor.device.type for tensor in tensors} == {"pretended"}
        counts.append(len(tensors))
        torch.cat([tensor.flatten().float() for tensor in tensors])
        return [torch.from_numpy(np.zeros(tensor.shape, dtype=np.float32)).to(tensor.dtype) for tensor in tensors]

    monkeypatch.setattr(graphs, "fetched_together", zeros)
    monkeypatch.setattr(runner, "fetched_together", zeros)
    monkeypatch.setattr(FakeTensor, "tolist", lambda tensor: np.zeros(tensor.shape).tolist())
    monkeypatch.setattr(Tensor, "numpy", lambda tensor: np.zeros(tensor.shape))
    return counts


def test_samples_become_keys_and_values_on_the_device(network: WhisperNetwork, silence: Silence, pretended: torch.device) -> None:
    audio = listened(network, silence, pretended)

    assert {tensor.device for pair in audio.layers for tensor in pair} == {audio.bias.device} == {pretended}
    assert audio.keep([1]).bias.device == pretended


def test_the_plain_runner_works_on_the_device_and_fetches_once_a_step(
    network: WhisperNetwork, silence: Silence, pretended: torch.device, transfers: list[int]
) -> None:
    run = EagerRunner(network.decoder, rules(pretended)).run(listened(network, silence, pretended), 10)

    run.read(LINES)
    run.keep([1])
    run.step([3], [4], [0])

    assert transfers == [5, 4]


def test_the_runner_for_gpus_works_on_the_device_and_fetches_once_a_reading(
    network: WhisperNetwork, silence: Silence, pretended: torch.device, transfers: list[int]
) -> None:
    static = StaticRunner(network.decoder, rules(pretended), silence, 4)
    run = StaticRun(static, listened(network, silence, pretended))

    run.read(LINES)
    run.keep([1])
    static.compute(Shape(1, 100, 64))

    assert (run.slots, run.num_slots) == ([0], 1)
    assert len(transfers) == 1
    assert {tensor.device.type for name, tensor in vars(static.memory).items() if isinstance(tensor, Tensor)} == {
        "pretended",
        "cpu",
    }


def test_a_tensor_made_on_the_processor_would_be_refused(
    network: WhisperNetwork, silence: Silence, pretended: torch.device, transfers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above can fail."""
    run = EagerRunner(network.decoder, rules(pretended)).run(listened(network, silence, pretended), 10)
    monkeypatch.setattr(runner, "moved", lambda numbers, _device: torch.tensor(numbers))

    with pytest.raises(FakeTensorDeviceMismatchError, match="pretended:0"):
        run.read(LINES)


def test_logits_come_from_a_device_only_where_they_are_asked_for(fake: None, pretended: torch.device) -> None:
    logits = torch.zeros(3, NUM_TOKENS, device=pretended)

    rows = logits_of(logits, [2, 0])

    assert isinstance(rows, dict)
    assert {place: (row.shape, row.device.type) for place, row in rows.items()} == {
        2: ((NUM_TOKENS,), "cpu"),
        0: ((NUM_TOKENS,), "cpu"),
    }
    assert logits_of(logits, []) == {}


# Whoever makes a tensor names its device


class NamesDevices(TorchFunctionMode):
    """Refuses functions that make tensors, such as torch.zeros, without a device."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _device_constructors() and (kwargs or {}).get("device") is None:
            raise AssertionError(f"{func.__name__} is not told where to make its tensor")
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-base", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    return made


@pytest.fixture(scope="module")
def static(engine: WhisperEngine) -> Writer:
    with torch.inference_mode():
        made = StaticRunner(engine.network.decoder, engine.writer.runner.rules, engine.silence, 2)  # type: ignore[attr-defined]  # an EagerRunner
    return Writer(made, engine.vocabulary)


def hear(engine: WhisperEngine) -> None:
    """Languages are detected, hotwords chosen, and rows finish at different times."""
    windows = [
        Window(WhisperState(), clip.audio[:num_samples], (), is_final=False, hotwords=("Alexander",))
        for clip, num_samples in zip(clips(), (16_000, 40_000), strict=False)
    ]
    with NamesDevices():
        engine.step(windows)


def test_a_step_names_the_device_of_every_tensor(engine: WhisperEngine) -> None:
    hear(engine)


def test_a_step_of_the_runner_for_gpus_does_too(engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "writer", static)

    hear(engine)


def test_a_tensor_made_without_a_device_would_be_noticed(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "moved", lambda numbers, _device: torch.tensor(numbers))

    with pytest.raises(AssertionError, match="tensor is not told where"):
        hear(engine)
