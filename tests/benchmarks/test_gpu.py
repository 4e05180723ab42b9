"""The GPU benchmark refuses clearly without CUDA, and counts windows; what it installs is the same torch."""

import re

import pytest
import torch

from benchmarks import gpu
from inference.engines import registry
from inference.engines.whisper.decoding import Writer
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.graphs import StaticRunner
from tests.docs.pages import read
from tests.speech import clips


def test_without_cuda_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(SystemExit, match=r"benchmarks.gpu: HARK_DEVICE is cuda, but torch .* is a build without CUDA"):
        gpu.main([])


def test_a_processor_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main(["--device", "cpu"])

    assert "expected cuda or cuda:N" in capsys.readouterr().err


def test_it_counts_windows_with_graphs_and_without_and_leaves_the_graphs_as_they_were() -> None:
    engine: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    engine.load()
    with torch.inference_mode():
        runner = StaticRunner(engine.network.decoder, engine._runner().rules, engine.silence, 2)  # type: ignore[attr-defined]  # an EagerRunner
    engine.writer = Writer(runner, engine.vocabulary)
    graphs = runner.repeats

    row = gpu.measured(engine, [clips()[0].audio], 2)

    assert row.batch == 2
    assert min(row.with_graphs, row.without_graphs) > 0
    assert runner.repeats is graphs
    assert str(row.batch) in gpu.table([row])


def test_the_requirements_for_gpus_are_the_others_with_the_same_torch() -> None:
    lines = [line for line in read("requirements-gpu.txt").splitlines() if line and not line.startswith("#")]
    (version,) = re.findall(r"^torch==(\S+)$", read("requirements.txt"), flags=re.MULTILINE)

    assert lines[:2] == ["-r requirements.txt", f"torch==={version}"]
    assert [line.partition("=")[0] for line in lines[2:]] == ["nvidia-ml-py"]
