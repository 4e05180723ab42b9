"""Which runtime computes a streaming Conformer here, by HARK_CONFORMER_RUNTIME and by what is installed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import util
from pathlib import Path
from typing import Final

import torch
from torch import nn

from inference.config import RuntimeName
from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.runtime import Runtime, TorchRuntime
from inference.engines.conformer_ctc.runtimes import artefacts
from inference.engines.conformer_ctc.runtimes.graph import GraphStep
from inference.engines.conformer_ctc.runtimes.making import Build, make_elsewhere
from inference.engines.conformer_ctc.runtimes.session import GraphRuntime
from inference.engines.conformer_ctc.step import StreamingEncoder
from inference.errors import ConfigError

logger = logging.getLogger(__name__)

PACKAGES: Final[dict[RuntimeName, tuple[str, ...]]] = {
    "openvino": ("openvino",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "tensorrt": ("onnx", "onnxscript", "onnxruntime"),
}
"""What a runtime needs beside torch."""


@dataclass(frozen=True, slots=True)
class RuntimeOpener:
    """Opens what `wanted` stands for here. The first time a graph is made, which takes up to a minute; it is kept in
    `graphs_dir`."""

    wanted: RuntimeName
    graphs_dir: Path

    def __call__(self, encoder: StreamingEncoder, head: nn.Module, arithmetic: Arithmetic, device: torch.device) -> Runtime:
        """Raises:
        ConfigError: the runtime is not installed, or cannot compute on the device or in the precision.
        """
        name = chosen(self.wanted, device)
        runtime = OPENERS[name](Parts(encoder, head, arithmetic, device, self.graphs_dir))
        logger.info("a streaming Conformer is computed by %s in %s on %s", name, arithmetic.name, device)
        return runtime


def chosen(wanted: RuntimeName, device: torch.device) -> RuntimeName:
    """Raises:
    ConfigError: a package is missing.
    """
    if wanted == "auto":
        return "openvino" if device.type == "cpu" and not missing("openvino") else "torch"
    if lacking := missing(wanted):
        raise ConfigError(
            f"HARK_CONFORMER_RUNTIME is {wanted}, which needs {', '.join(lacking)}: pip install -r requirements-conformer.txt, "
            "or set it to auto."
        )
    return wanted


def missing(name: RuntimeName) -> list[str]:
    return [package for package in PACKAGES.get(name, ()) if util.find_spec(package) is None]


@dataclass(frozen=True, slots=True)
class Parts:
    """Of what a runtime is made."""

    encoder: StreamingEncoder
    head: nn.Module
    arithmetic: Arithmetic
    device: torch.device
    graphs_dir: Path

    def kept(self, library: RuntimeName, build: Build) -> Path:
        """The folder of the graph, made by `library`."""
        step, geometry = GraphStep(self.encoder, self.head), self.encoder.geometry
        facts = (library, f"int8 {self.arithmetic.has_int8}", repr(geometry))
        key = artefacts.key_of(step, facts, PACKAGES[library])
        return artefacts.kept(self.graphs_dir, key, partial(make_elsewhere, build, step, geometry, self.arithmetic))


def _torch(parts: Parts) -> Runtime:
    from inference.engines.conformer_ctc.runtimes.graphs import GraphsRuntime

    kind = GraphsRuntime if parts.device.type == "cuda" else TorchRuntime
    return kind(parts.encoder, parts.head, parts.arithmetic, parts.device)


def _openvino(parts: Parts) -> Runtime:
    from inference.engines.conformer_ctc.runtimes import openvino

    _check_processor("openvino", parts.device)
    session = openvino.OpenVinoSession(parts.kept("openvino", openvino.build), parts.arithmetic)
    return GraphRuntime(parts.encoder.geometry, session)


def _onnx(parts: Parts) -> Runtime:
    from inference.engines.conformer_ctc.runtimes import onnx

    _check_processor("onnx", parts.device)
    onnx.check(parts.arithmetic)
    return GraphRuntime(parts.encoder.geometry, onnx.OnnxSession(parts.kept("onnx", onnx.build)))


def _tensorrt(parts: Parts) -> Runtime:
    from inference.engines.conformer_ctc.runtimes import onnx, tensorrt

    tensorrt.check(parts.device)
    folder, geometry = parts.kept("onnx", onnx.build), parts.encoder.geometry
    return GraphRuntime(geometry, onnx.OnnxSession(folder, tensorrt.providers(geometry, parts.arithmetic, parts.device, folder)))


OPENERS: Final[dict[RuntimeName, Callable[[Parts], Runtime]]] = {
    "torch": _torch,
    "openvino": _openvino,
    "onnx": _onnx,
    "tensorrt": _tensorrt,
}


def _check_processor(name: RuntimeName, device: torch.device) -> None:
    if device.type != "cpu":
        raise ConfigError(
            f"HARK_CONFORMER_RUNTIME is {name}, which computes on the processor here, and the device is {device}. Set "
            "HARK_DEVICE to cpu, or HARK_CONFORMER_RUNTIME to auto."
        )
