"""Which device the networks of this process compute on: the processor, or one GPU."""

import torch

from inference.errors import ConfigError


def choose(wanted: str) -> torch.device:
    """The device that HARK_DEVICE asks for; `auto` is a GPU where torch can use one, else the processor.

    Raises:
        ConfigError: a GPU is asked for that torch cannot use.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    _check_cuda(wanted)
    device = torch.device("cuda:0" if wanted in {"auto", "cuda"} else wanted)
    num_devices = torch.cuda.device_count()
    if device.index >= num_devices:
        raise ConfigError(
            f"HARK_DEVICE is {wanted}, and torch sees {num_devices} GPUs, counted from 0. Name one of them, or change "
            "CUDA_VISIBLE_DEVICES."
        )
    return device


def _check_cuda(wanted: str) -> None:
    if torch.version.cuda is None:
        raise ConfigError(
            f"HARK_DEVICE is {wanted}, but torch {torch.__version__} is a build without CUDA. Install the build with CUDA "
            "(pip install -r requirements-gpu.txt), or set HARK_DEVICE=cpu."
        )
    if not torch.cuda.is_available():
        raise ConfigError(
            f"HARK_DEVICE is {wanted}, but torch {torch.__version__}, built for CUDA {torch.version.cuda}, finds no GPU. Check "
            "the driver with nvidia-smi and that CUDA_VISIBLE_DEVICES is not empty, or set HARK_DEVICE=cpu."
        )
