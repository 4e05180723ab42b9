"""The one door to torchaudio. Beside a torch without CUDA it selects torchaudio's own mode without C++ extension.

torchaudio's wheel links against CUDA, so its extension cannot load next to a CPU build of torch although the Python
parts that we use work. Registering the extension module as absent before the first import is what torchaudio itself
does where no extension was built.
"""

import importlib.machinery
import sys
import types
from collections.abc import Callable
from typing import Any

import torch


def _refuse(function: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError(f"{function.__name__} needs torchaudio's C++ extension, which a torch without CUDA cannot load.")

    return refuse


def _register_absent_extension() -> None:
    extension = types.ModuleType("torchaudio._extension")
    extension.__spec__ = importlib.machinery.ModuleSpec("torchaudio._extension", None)
    vars(extension).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_refuse)
    sys.modules["torchaudio._extension"] = extension


if "torchaudio" not in sys.modules and torch.version.cuda is None:
    _register_absent_extension()

from torchaudio import functional  # noqa: E402  # the extension must be registered first

__all__ = ["functional"]
