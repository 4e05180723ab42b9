"""What an engine computes with on this machine: which floating-point type, and whether linear layers run in 8 bits."""

from dataclasses import dataclass

import torch

from inference.config import Precision
from inference.engines.int8 import has_fast_int8
from inference.errors import ConfigError

CPU = torch.device("cpu")
NATIVE_BF16_CAPABILITY = (8, 0)
"""From this compute capability on (Ampere) a GPU multiplies bfloat16 as fast as float16."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`name` is the precision as operators write it. `dtype`: of all that is not in 8-bit integers."""

    name: str
    dtype: torch.dtype
    has_int8: bool = False


FP32 = Arithmetic("fp32", torch.float32)
BF16 = Arithmetic("bf16", torch.bfloat16)
FP16 = Arithmetic("fp16", torch.float16)
INT8 = Arithmetic("int8", torch.float32, has_int8=True)
BY_NAME = {arithmetic.name: arithmetic for arithmetic in (FP32, BF16, FP16, INT8)}


def has_fast_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()


def likely_fastest(device: torch.device = CPU) -> Arithmetic:
    """By what the device multiplies natively; `manage.py models bench` measures it. docs/benchmarks.md has examples."""
    if device.type == "cuda":
        return BF16 if torch.cuda.get_device_capability(device) >= NATIVE_BF16_CAPABILITY else FP16
    if has_fast_int8():
        return INT8
    return BF16 if has_fast_bf16() else FP32


def choose(precision: Precision, device: torch.device = CPU) -> Arithmetic:
    """Raises:
    ConfigError: the device does not compute in it.
    """
    if precision == "auto":
        return likely_fastest(device)
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(f"HARK_PRECISION is int8, which runs on processors only, not on {device}. Set auto or HARK_DEVICE=cpu.")
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("HARK_PRECISION is fp16, which runs on GPUs only, and the device is the processor. Set auto.")
    return BY_NAME[precision]
