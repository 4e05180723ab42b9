"""Which container lies at a path."""

from pathlib import Path

from inference.engines.containers import INDEX, SINGLE, has_safetensors
from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
from inference.engines.whisper.weights.huggingface import HuggingFaceFiles
from inference.engines.whisper.weights.layout import ModelFiles
from inference.engines.whisper.weights.openai_pt import OpenAIFile
from inference.errors import WeightsError

NUM_LISTED = 8
INSIDE_FOLDERS = ("model.bin", SINGLE, INDEX)


def model_files(name: str, path: Path) -> ModelFiles:
    """The model at `path`, to be called `name`.

    Raises:
        WeightsError: there is none in a form that this server reads.
    """
    if path.is_dir():
        return _folder_files(name, path)
    if not path.exists():
        raise WeightsError(f"{name}: there is no {path}. Give the path of a `.pt` file or of a folder.")
    if path.name in INSIDE_FOLDERS:
        raise WeightsError(f"{name}: {path} is part of a model. Give the folder that it lies in.")
    return OpenAIFile(name, path)


def _folder_files(name: str, folder: Path) -> ModelFiles:
    if has_safetensors(folder):
        return HuggingFaceFiles(name, folder)
    if (folder / "model.bin").is_file():
        return CTranslate2Files(name, folder, (folder / "model.bin",))
    found = sorted(entry.name for entry in folder.iterdir())
    listed = ", ".join(found[:NUM_LISTED]) + (", …" if len(found) > NUM_LISTED else "") if found else "nothing"
    raise WeightsError(
        f"{name}: {folder} holds {listed}; expected {SINGLE} or {INDEX} (Hugging Face), or model.bin "
        "(CTranslate2). A `.pt` file (OpenAI) is given by its own path; pytorch_model.bin must be saved as safetensors first."
    )
