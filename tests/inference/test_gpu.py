"""What NVML says of a GPU, by a module that stands for it where there is none."""

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from inference import gpu
from inference.gpu import Gpu, gpu_of


@dataclass
class Nvml:
    """`pynvml`, as far as it is used. known: UUIDs of its GPUs. is_part: of a GPU that is divided up."""

    known: tuple[str, ...] = ("GPU-1234",)
    is_part: bool = False
    NVMLError: type[Exception] = RuntimeError
    __spec__: object = field(default_factory=object)

    def nvmlInit(self) -> None:  # its names
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in self.known:
            raise self.NVMLError("not found")
        return uuid

    def nvmlDeviceGetUtilizationRates(self, _handle: str) -> SimpleNamespace:
        if self.is_part:
            raise self.NVMLError("not supported")
        return SimpleNamespace(gpu=37)

    def nvmlDeviceGetMemoryInfo(self, _handle: str) -> SimpleNamespace:
        return SimpleNamespace(used=6_000, total=80_000)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    stand_in = Nvml()
    monkeypatch.setitem(sys.modules, gpu.NVML, stand_in)
    monkeypatch.setattr(gpu, "uuid_of", lambda _device: "GPU-1234")
    return stand_in


def asked(device: str) -> Gpu:
    found = gpu_of(device)
    assert found is not None
    return found


@pytest.mark.usefixtures("nvml")
def test_a_gpu_is_as_busy_and_as_full_as_nvml_says() -> None:
    found = asked("cuda:0")
    assert found.utilisation() == {(): 0.37}
    assert found.memory_bytes() == {("used",): 6_000, ("total",): 80_000}


def test_what_cannot_be_known_is_left_out(nvml: Nvml) -> None:
    nvml.is_part = True
    assert asked("cuda:0").utilisation() == {}


def test_a_gpu_that_nvml_does_not_know_is_not_measured(nvml: Nvml) -> None:
    nvml.known = ()
    assert gpu_of("cuda:0") is None


def test_a_processor_is_no_gpu() -> None:
    assert gpu_of("cpu") is None


def test_without_the_package_no_gpu_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "NVML", "no_such_package")
    assert gpu_of("cuda:0") is None
