"""What is counted, and how it is written down."""

from dataclasses import replace

import pytest

from benchmarks.conformer import models
from benchmarks.conformer.models import Size
from benchmarks.conformer.steps import Effort, Row, kinds_of, rows_of, table
from tests.inference.engines.conformer_ctc.networks import NUM_TOKENS, config_of

ROW = Row("28", "openvino", "int8", batch=32, is_scattered=False, chunk_ms=160, step_ms=40.0)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.SIZES, "0.1", Size(config_of(8, (6, 1)), NUM_TOKENS))


@pytest.mark.usefixtures("tiny")
def test_every_batch_is_measured_in_every_kind_and_one_scattered(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of("0.1", [("torch", "fp32"), ("torch", "bf16")], Effort([1, 4], num_rounds=2))

    cells = {(row.precision, row.batch, row.is_scattered) for row in rows}
    assert cells == {(precision, batch, batch == 32) for precision in ("fp32", "bf16") for batch in (1, 4, 32)}
    assert all(row.step_ms > 0 for row in rows)
    assert {row.chunk_ms for row in rows} == {160}
    assert "0.1 million: opening torch in bf16" in capsys.readouterr().err


def test_a_core_carries_as_many_streams_as_chunks_go_into_the_time_of_one() -> None:
    assert ROW.streams_per_core == 128


def test_a_table_has_a_line_for_each_kind_and_a_column_for_each_batch() -> None:
    rows = [ROW, replace(ROW, is_scattered=True, step_ms=50.0), replace(ROW, precision="fp32", step_ms=80.0)]
    rows.append(replace(rows[-1], is_scattered=True))

    head, *lines = table(rows).splitlines()

    assert head.split() == ["million", "runtime", "precision", "B=32", "B=32", "scattered"]
    assert [line.split() for line in lines] == [
        ["28", "openvino", "int8", "128", "40.0ms", "102", "50.0ms"],
        ["28", "openvino", "fp32", "64", "80.0ms", "64", "80.0ms"],
    ]


def test_only_precisions_that_a_runtime_has_are_measured() -> None:
    assert kinds_of(["onnx"], ["fp32", "bf16", "int8"]) == [("onnx", "fp32"), ("onnx", "int8")]
