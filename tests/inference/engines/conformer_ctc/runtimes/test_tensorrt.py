"""What is told where TensorRT cannot be used, and what it is told where it can."""

from pathlib import Path

import onnxruntime
import pytest
import torch

from inference.engines.arithmetic import BF16, CPU
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes import tensorrt
from inference.errors import ConfigError
from tests.inference.engines.conformer_ctc.networks import config_of

GPU = torch.device("cuda:1")


def test_a_machine_without_a_gpu_is_told_so() -> None:
    with pytest.raises(ConfigError, match="tensorrt, which needs a GPU, and the device is cpu"):
        tensorrt.check(CPU)


def test_a_build_without_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    with pytest.raises(ConfigError, match=r"built without it \(it has CPUExecutionProvider\). Install onnxruntime-gpu"):
        tensorrt.check(GPU)


def test_it_is_told_every_shape_that_may_come(tmp_path: Path) -> None:
    (name, options), (fallback, _) = tensorrt.providers(Geometry(config_of(8, (6, 1)), 1), BF16, GPU, tmp_path)

    shapes = options["trt_profile_max_shapes"].split(",")
    assert (name, fallback) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert shapes[:5] == ["mel:64x16x80", "is_fresh:64", "distances:64x2x8", "unseen:64x8", "stage_0:64x1x3x80"]
    assert len(shapes) == 4 + 2 + 3 * 2
    assert (options["device_id"], options["trt_bf16_enable"], options["trt_fp16_enable"]) == ("1", True, False)
