"""Small language models."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from inference.decoding.artefact import SETTINGS_FILE, LmFiles
from inference.decoding.building.build import Recipe, build
from inference.decoding.language_model import LanguageModel


def folder_of(folder: Path, *lines: str, **settings: Any) -> Path:
    """Bigrams of `lines`, with `settings` in lm.json."""
    made = build(folder, [("lines", [line.split() for line in lines])], Recipe(order=2))
    (folder / SETTINGS_FILE).write_bytes(msgspec.json.encode(structs.replace(made, **settings)))
    return folder


def lm_of(folder: Path, *lines: str, **settings: Any) -> LanguageModel:
    return LanguageModel(LmFiles.in_folder(folder_of(folder, *lines, **settings)))
