"""Graphs on disk: made once, whole or not at all, and not for ever."""

import logging
import os
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from inference.engines.conformer_ctc.runtimes import artefacts
from inference.engines.conformer_ctc.runtimes.artefacts import MAX_KEPT, kept, key_of, without_notices


def write_one(folder: Path) -> None:
    (folder / "model").write_text("one", encoding="ascii")


def refuse(_folder: Path) -> None:
    raise AssertionError("It was there already.")


def test_a_graph_is_made_once(tmp_path: Path) -> None:
    first = kept(tmp_path / "graphs", "ab", write_one)

    assert kept(tmp_path / "graphs", "ab", refuse) == first
    assert (first / "model").read_text(encoding="ascii") == "one"


def test_of_a_graph_that_could_not_be_made_nothing_is_left(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        write_one(folder)
        raise OSError("The disk is full.")

    with pytest.raises(OSError, match="disk is full"):
        kept(tmp_path, "ab", half)

    assert list(tmp_path.iterdir()) == []


def test_whoever_was_faster_with_the_same_graph_wins(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        (tmp_path / "ab").mkdir()
        write_one(tmp_path / "ab")
        (folder / "model").write_text("two", encoding="ascii")

    found = kept(tmp_path, "ab", slow)

    assert (found / "model").read_text(encoding="ascii") == "one"
    assert list(tmp_path.iterdir()) == [found]


def test_only_the_graphs_that_were_used_last_are_kept(tmp_path: Path) -> None:
    for number in range(MAX_KEPT):
        folder = kept(tmp_path, f"a{number}", write_one)
        os.utime(folder, (number, number))
    kept(tmp_path, "a0", refuse)

    kept(tmp_path, "b", write_one)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a0", *(f"a{number}" for number in range(2, MAX_KEPT)), "b"]


def test_other_weights_facts_and_sources_are_another_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    module, changed = nn.Linear(2, 2), nn.Linear(2, 2)
    changed.load_state_dict(module.state_dict())
    same = key_of(changed, ["int8"], [])
    with torch.no_grad():
        changed.bias[0] += 1
    others = [key_of(changed, ["int8"], []), key_of(module, ["fp32"], []), key_of(module, ["int8"], ["numpy"])]
    assert key_of(module, ["int8"], []) == same
    monkeypatch.setattr(artefacts, "SOURCES", ())

    assert len({same, *others, key_of(module, ["int8"], [])}) == 5


def test_libraries_are_not_heard_while_they_make_a_graph(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with without_notices():
        logging.warning("Operation not found")  # as OpenVINO does
        logging.getLogger("onnx_ir.passes").info("Replaced")
        warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated, use …", FutureWarning, stacklevel=1)
        logging.getLogger("inference").info("heard")

    logging.getLogger("onnx_ir.passes").info("Again")

    assert [record.message for record in caplog.records] == ["heard", "Again"]
