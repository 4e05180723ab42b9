"""What is counted on a GPU, and that a processor is not taken for one; here the same steps run on the processor."""

import pytest
import torch

from benchmarks.conformer import gpu, models
from benchmarks.conformer.gpu import Order, Row, rows_of, table
from benchmarks.conformer.models import Size
from tests.inference.engines.conformer_ctc.networks import NUM_TOKENS, config_of


def test_every_batch_is_measured_in_every_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.SIZES, "0.1", Size(config_of(8, (6, 1)), NUM_TOKENS))

    rows = rows_of(Order("cpu", "0.1", ["fp32", "bf16"], [1, 20], num_rounds=2))

    assert [(row.precision, row.batch) for row in rows] == [("fp32", 1), ("fp32", 20), ("bf16", 1), ("bf16", 20)]
    assert all(row.graphs_ms > 0 and row.plain_ms > 0 and row.chunk_ms == 160 for row in rows)


def test_a_gpu_carries_as_many_streams_as_chunks_go_into_the_time_of_one() -> None:
    row = Row("114", "bf16", batch=256, chunk_ms=160, graphs_ms=8.0, plain_ms=20.0)

    head, line = table([row]).splitlines()

    assert list(row.streams) == [5120, 2048]
    assert head.split() == ["million", "precision", "batch", "with", "CUDA", "graphs", "without", "ratio"]
    assert line.split() == ["114", "bf16", "256", "5120", "8.00ms", "2048", "20.00ms", "2.50"]


def test_without_cuda_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(SystemExit, match=r"benchmarks.conformer.gpu: HARK_DEVICE is cuda, but torch .* is a build without CUDA"):
        gpu.main([])


def test_a_processor_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main(["--device", "cpu"])

    assert "expected cuda or cuda:N" in capsys.readouterr().err
