"""How busy and how full the GPU of this process is, as NVML says; only where there is one, and nvidia-ml-py is installed."""

import importlib
import importlib.util
import logging
from collections.abc import Callable
from typing import Any, Final

Readings = dict[tuple[str, ...], float]

NVML: Final = "pynvml"
logger = logging.getLogger(__name__)


class Gpu:
    """Args:
    nvml: the module `pynvml`, begun.
    handle: of one GPU.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def utilisation(self) -> Readings:
        """Empty where it cannot be known, as of a part of a GPU."""
        return self._asked(lambda: {(): self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100})

    def memory_bytes(self) -> Readings:
        def read() -> Readings:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
            return {("used",): float(memory.used), ("total",): float(memory.total)}

        return self._asked(read)

    def _asked(self, read: Callable[[], Readings]) -> Readings:
        try:
            return read()
        except self._nvml.NVMLError:
            return {}


def gpu_of(device: str) -> Gpu | None:
    """The GPU that torch calls `device`; None on a processor, or where NVML cannot be asked about it."""
    if device == "cpu":
        return None
    if importlib.util.find_spec(NVML) is None:
        logger.info("nvidia-ml-py is not installed: the GPU is not measured (pip install -r requirements-gpu.txt)")
        return None
    nvml = importlib.import_module(NVML)
    try:
        nvml.nvmlInit()
        return Gpu(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid_of(device)))
    except nvml.NVMLError as err:
        logger.warning("NVML does not know %s, so it is not measured: %s", device, err)
        return None


def uuid_of(device: str) -> str:
    import torch

    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"
