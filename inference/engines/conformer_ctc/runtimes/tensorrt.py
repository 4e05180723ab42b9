"""TensorRT on a GPU, through ONNX Runtime's build with it. What streams remember lies in main memory here and travels to the GPU
with every step; torch (`graphs`) keeps it there.
"""

from pathlib import Path
from typing import Any, Final

import onnxruntime
import torch

from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.graph import input_names, input_shapes
from inference.errors import ConfigError

PROVIDER: Final = "TensorrtExecutionProvider"
ON_GPU: Final = "CUDAExecutionProvider"
MIN_ROWS: Final = 1
USUAL_ROWS: Final = 32
MAX_ROWS: Final = 64
Provider = tuple[str, dict[str, Any]]


def check(device: torch.device) -> None:
    """Raises:
    ConfigError: it cannot be used here; the message says what is missing.
    """
    if device.type != "cuda":
        raise ConfigError(
            f"HARK_CONFORMER_RUNTIME is tensorrt, which needs a GPU, and the device is {device}. Set HARK_DEVICE to a GPU "
            "that torch can use, or HARK_CONFORMER_RUNTIME=auto."
        )
    present = onnxruntime.get_available_providers()
    if PROVIDER not in present:
        raise ConfigError(
            f"HARK_CONFORMER_RUNTIME is tensorrt, and onnxruntime {onnxruntime.__version__} was built without it (it has "
            f"{', '.join(present)}). Install onnxruntime-gpu in place of onnxruntime, and NVIDIA's tensorrt, or set "
            "HARK_CONFORMER_RUNTIME=auto."
        )


def providers(geometry: Geometry, arithmetic: Arithmetic, device: torch.device, folder: Path) -> list[Provider]:
    """TensorRT, with engines kept in `folder` and shapes told beforehand, so that no batch waits for a new engine; CUDA for what
    it does not know."""
    number = str(device.index or 0)
    options = {
        "device_id": number,
        "trt_fp16_enable": arithmetic.name == "fp16",
        "trt_bf16_enable": arithmetic.name == "bf16",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": True,
        "trt_profile_min_shapes": _profile(geometry, MIN_ROWS),
        "trt_profile_opt_shapes": _profile(geometry, USUAL_ROWS),
        "trt_profile_max_shapes": _profile(geometry, MAX_ROWS),
    }
    return [(PROVIDER, options), (ON_GPU, {"device_id": number})]


def _profile(geometry: Geometry, num_rows: int) -> str:
    """As `name:1x2x3,…`."""
    named = zip(input_names(geometry), input_shapes(geometry), strict=True)
    return ",".join(f"{name}:{'x'.join(str(length) for length in (num_rows, *shape))}" for name, shape in named)
