"""What lies at a path decides how it is read."""

from pathlib import Path

import pytest

from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
from inference.engines.whisper.weights.huggingface import HuggingFaceFiles
from inference.engines.whisper.weights.location import model_files
from inference.engines.whisper.weights.openai_pt import OpenAIFile
from inference.errors import WeightsError


def touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.bin", CTranslate2Files),
        ("model.safetensors", HuggingFaceFiles),
        ("model.safetensors.index.json", HuggingFaceFiles),
    ],
)
def test_a_folder_is_known_by_its_file_of_weights(tmp_path: Path, name: str, kind: type) -> None:
    touched(tmp_path / name)

    files = model_files("clinic", tmp_path)

    assert isinstance(files, kind)
    assert files.name == "clinic"


def test_a_file_is_of_openai(tmp_path: Path) -> None:
    assert isinstance(model_files("clinic", touched(tmp_path / "clinic.pt")), OpenAIFile)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"clinic: there is no {tmp_path}/x\.pt\. Give the path of a"):
        model_files("clinic", tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["model.bin", "model.safetensors", "model.safetensors.index.json"])
def test_a_file_out_of_a_folder_is_refused_with_what_to_give(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=rf"{name} is part of a model\. Give the folder that it lies in"):
        model_files("clinic", touched(tmp_path / name))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "holds nothing; expected model.safetensors"),
        (
            ("pytorch_model.bin", "config.json"),
            "holds config.json, pytorch_model.bin; expected .* must be saved as safetensors first",
        ),
        (tuple("abcdefghij"), "holds a, b, c, d, e, f, g, h, …; expected"),
    ],
)
def test_a_folder_without_weights_is_refused_with_what_it_holds(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    for name in names:
        touched(tmp_path / name)

    with pytest.raises(WeightsError, match=sentence):
        model_files("clinic", tmp_path)
