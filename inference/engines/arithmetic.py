"""What an engine computes with on this machine: which floating-point type, and whether linear layers run in 8 bits."""

from dataclasses import dataclass

import torch

from inference.config import Precision
from inference.engines.int8 import has_fast_int8


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`name` is the precision as operators write it. `dtype`: of all that is not in 8-bit integers."""

    name: str
    dtype: torch.dtype
    has_int8: bool = False


FP32 = Arithmetic("fp32", torch.float32)
BF16 = Arithmetic("bf16", torch.bfloat16)
INT8 = Arithmetic("int8", torch.float32, has_int8=True)
BY_NAME = {arithmetic.name: arithmetic for arithmetic in (FP32, BF16, INT8)}


def has_fast_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()


def likely_fastest() -> Arithmetic:
    """By what the processor multiplies natively; `manage.py models bench` measures it. docs/benchmarks.md has examples."""
    if has_fast_int8():
        return INT8
    return BF16 if has_fast_bf16() else FP32


def choose(precision: Precision) -> Arithmetic:
    return likely_fastest() if precision == "auto" else BY_NAME[precision]
