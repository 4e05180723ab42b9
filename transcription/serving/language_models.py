"""Which language models lie on this machine, by their names. What is in them is the inference processes' affair."""

from pathlib import Path

from django.conf import settings

from inference.decoding.artefact import SETTINGS_FILE


def installed_language_models() -> frozenset[str]:
    """Those in HARK_LM_DIR, which inference processes find under the same path. Reads one folder; blocks."""
    return frozenset(path.parent.name for path in Path(settings.HARK_LM_DIR).glob(f"*/{SETTINGS_FILE}"))
