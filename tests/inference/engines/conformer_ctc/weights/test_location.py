"""What lies at a path tells by itself whether it is of this family."""

from pathlib import Path

import pytest

from inference.engines.conformer_ctc.weights.huggingface import HuggingFaceFiles
from inference.engines.conformer_ctc.weights.location import conformer_files
from inference.engines.conformer_ctc.weights.nemo import NemoFile
from inference.engines.conformer_ctc.weights.own import OwnFiles, write
from inference.errors import WeightsError
from tests.inference.engines.conformer_ctc.weights.models import (
    nemo_config,
    random_checkpoint,
    small,
    write_hugging_face,
    write_json,
    write_nemo,
)


def test_each_container_is_recognised(tmp_path: Path) -> None:
    checkpoint = random_checkpoint()
    write(tmp_path / "own", checkpoint, "fp16")
    archive = write_nemo(tmp_path / "m.nemo", checkpoint.parameters, nemo_config(small()))
    folder = write_hugging_face(tmp_path / "hf", random_checkpoint(heads=("rnnt",)))

    assert conformer_files("m", tmp_path / "own") == OwnFiles("m", tmp_path / "own")
    assert conformer_files("m", archive) == NemoFile("m", archive)
    assert conformer_files("m", archive.rename(tmp_path / "renamed")) == NemoFile("m", tmp_path / "renamed")
    assert conformer_files("m", folder) == HuggingFaceFiles("m", folder)


def test_a_folder_with_one_nemo_file_is_that_file_and_with_two_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nemo").write_bytes(b"x")
    assert conformer_files("m", tmp_path) == NemoFile("m", tmp_path / "a.nemo")

    (tmp_path / "b.nemo").write_bytes(b"x")
    with pytest.raises(WeightsError, match="holds 2 `.nemo` files"):
        conformer_files("m", tmp_path)


def test_a_damaged_nemo_file_is_still_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "m.nemo").write_bytes(b"no tar")

    files = conformer_files("m", tmp_path / "m.nemo")

    assert files is not None
    with pytest.raises(WeightsError, match="no `.nemo` file or is damaged"):
        files.outline()


def test_other_models_and_nothing_at_all_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "whisper").mkdir()
    write_json(tmp_path / "whisper" / "config.json", {"model_type": "whisper"})
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")

    assert conformer_files("m", tmp_path / "whisper") is None
    assert conformer_files("m", tmp_path / "model.pt") is None
    assert conformer_files("m", tmp_path / "missing") is None
