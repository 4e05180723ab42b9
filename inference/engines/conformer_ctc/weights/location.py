"""Which container of this family lies at a path, if one does."""

from pathlib import Path
from typing import Final

from inference.engines.conformer_ctc.weights import huggingface, own
from inference.engines.conformer_ctc.weights.archive import is_archive
from inference.engines.conformer_ctc.weights.checkpoint import ConformerFiles
from inference.engines.conformer_ctc.weights.huggingface import HuggingFaceFiles
from inference.engines.conformer_ctc.weights.nemo import NemoFile
from inference.engines.conformer_ctc.weights.own import OwnFiles
from inference.engines.containers import read_json
from inference.errors import WeightsError

CONFIG: Final = "config.json"
NEMO: Final = ".nemo"


def conformer_files(name: str, path: Path) -> ConformerFiles | None:
    """The model at `path`, to be called `name`; None where what lies there is of another family, or nothing.

    Raises:
        WeightsError: it says that it is of this family, and cannot be read.
    """
    if path.is_dir():
        return _folder_files(name, path)
    if path.is_file() and (path.suffix == NEMO or is_archive(path)):
        return NemoFile(name, path)
    return None


def _folder_files(name: str, folder: Path) -> ConformerFiles | None:
    document = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if own.is_own(document):
        return OwnFiles(name, folder)
    if huggingface.is_family(document):
        return HuggingFaceFiles(name, folder)
    archives = sorted(folder.glob(f"*{NEMO}"))
    if len(archives) > 1:
        raise WeightsError(f"{name}: {folder} holds {len(archives)} `.nemo` files. Give the path of the one that is meant.")
    return NemoFile(name, archives[0]) if archives else None
