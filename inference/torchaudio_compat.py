"""The one door to torchaudio. Beside a torch that it was not built for it selects torchaudio's own mode without C++ extension.

torchaudio's wheel links against CUDA and the torch of its release, so its extension cannot load next to a CPU build of torch,
and need not load next to a later one, although the Python parts that we use work. Registering the extension module as absent
before the first import is what torchaudio itself does where no extension was built.
"""

import importlib.machinery
import importlib.metadata
import sys
import types
from collections.abc import Callable
from typing import Any

import torch


def _refuse(function: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError(f"{function.__name__} needs torchaudio's C++ extension, which this torch cannot load.")

    return refuse


def _register_absent_extension() -> None:
    extension = types.ModuleType("torchaudio._extension")
    extension.__spec__ = importlib.machinery.ModuleSpec("torchaudio._extension", None)
    vars(extension).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_refuse)
    sys.modules["torchaudio._extension"] = extension


def has_extension_for(torch_version: str, torchaudio_version: str, cuda: str | None) -> bool:
    """Whether torchaudio's extension belongs to this torch: built for CUDA, and of the same release, such as 2.11."""
    return cuda is not None and torch_version.split(".")[:2] == torchaudio_version.split(".")[:2]


if "torchaudio" not in sys.modules and not has_extension_for(
    torch.__version__, importlib.metadata.version("torchaudio"), torch.version.cuda
):
    _register_absent_extension()

from torchaudio import functional, models, transforms  # noqa: E402  # the extension must be registered first

__all__ = ["functional", "models", "transforms"]
