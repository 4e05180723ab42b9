"""Which language models lie on this machine, by their names. What is in them is the inference processes' affair."""

import importlib.util
import shutil
from pathlib import Path
from typing import Final

from django.conf import settings

from inference.decoding.artefact import SETTINGS_FILE

SHIPPED: Final = {"digits": "engines/conformer_ctc/edge/digits"}
"""Language models that come with the project, for single scenarios: name → folder in the package `inference`."""


def installed_language_models() -> frozenset[str]:
    """Those in HARK_LM_DIR, which inference processes find under the same path. Reads one folder; blocks."""
    return frozenset(path.parent.name for path in Path(settings.HARK_LM_DIR).glob(f"*/{SETTINGS_FILE}"))


def install_shipped(name: str) -> None:
    """Put it into HARK_LM_DIR, where nothing is of that name; somebody's own stays. All of it or nothing.

    Raises:
        OSError: it cannot be written there.
    """
    folder, spec = Path(settings.HARK_LM_DIR), importlib.util.find_spec("inference")
    if (folder / name).exists() or spec is None or spec.origin is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{name}.new"
    shutil.copytree(Path(spec.origin).parent / SHIPPED[name], fresh, dirs_exist_ok=True)
    fresh.rename(folder / name)
