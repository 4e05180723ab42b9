"""Which device is chosen, and what is said where it cannot be used."""

import pytest
import torch

from inference.engines import arithmetic, device
from inference.errors import ConfigError

GPU = torch.device("cuda:0")


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: str | None, num_gpus: int, capability: tuple[int, int] = (9, 0)) -> None:
    """A torch built for `cuda` that sees `num_gpus`."""
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: num_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)


@pytest.mark.parametrize(
    ("wanted", "num_gpus", "expected"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_auto_is_a_gpu_where_torch_can_use_one(
    monkeypatch: pytest.MonkeyPatch, wanted: str, num_gpus: int, expected: str
) -> None:
    pretend(monkeypatch, cuda="13.0", num_gpus=num_gpus)

    assert device.choose(wanted) == torch.device(expected)


def test_a_torch_without_cuda_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=None, num_gpus=0)

    with pytest.raises(
        ConfigError, match=r"HARK_DEVICE is cuda, but torch .* without CUDA.*requirements-gpu.txt.*HARK_DEVICE=cpu"
    ):
        device.choose("cuda")


def test_a_missing_gpu_is_told_with_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda="13.0", num_gpus=0)

    with pytest.raises(ConfigError, match=r"built for CUDA 13.0, finds no GPU.*nvidia-smi"):
        device.choose("cuda:0")


def test_a_number_beyond_the_gpus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda="13.0", num_gpus=2)

    with pytest.raises(ConfigError, match=r"HARK_DEVICE is cuda:2, and torch sees 2 GPUs"):
        device.choose("cuda:2")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_computes_in_bfloat16_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    pretend(monkeypatch, cuda="13.0", num_gpus=1, capability=capability)

    assert arithmetic.choose("auto", GPU).name == expected


def test_8_bit_integers_are_for_processors() -> None:
    with pytest.raises(ConfigError, match="int8, which runs on processors only, not on cuda:0"):
        arithmetic.choose("int8", GPU)


def test_half_precision_is_for_gpus() -> None:
    assert arithmetic.choose("fp16", GPU).dtype is torch.float16
    with pytest.raises(ConfigError, match="fp16, which runs on GPUs only"):
        arithmetic.choose("fp16")
