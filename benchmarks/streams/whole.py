"""Offline texts: the same weights decoding every clip whole. Kept in a file, because they change with the weights alone."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.speech import Clip
from inference.config import split_head, split_model
from inference.engines.registry import EDGE_FOLDER

FOLDERS: Final = {"conformer-edge": EDGE_FOLDER}
"""Of the models whose weights change with the project; those of other names come in packages of fixed versions."""
DIGEST_DIGITS: Final = 16


def whole_texts(clips: Sequence[Clip], model: str, cache: Path) -> dict[str, str]:
    """By the name of the clip. Loads the model only where the file lacks a clip; `cache` is made or added to.

    Args:
        model: a name, or `name=path` as in HARK_MODELS.
    """
    known: dict[str, dict[str, str]] = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
    texts = known.setdefault(_edition(model), {})
    missing = [clip for clip in clips if clip.name not in texts]
    if missing:
        texts |= _decode(missing, model)
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
    return {clip.name: texts[clip.name] for clip in clips}


def _edition(model: str) -> str:
    """What a model's texts are kept under: other weights of the same name have others."""
    name, source = split_model(model)
    place = FOLDERS.get(name) if source is None else split_head(str(source))[0]
    if place is None:
        return model
    digest = hashlib.sha256()
    for path in sorted(each for each in (place, *place.rglob("*")) if each.is_file()):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{model} {digest.hexdigest()[:DIGEST_DIGITS]}"


def _decode(clips: Sequence[Clip], model: str) -> dict[str, str]:
    from benchmarks.accuracy import offline  # torch: hundreds of MB that the clients' processes do without
    from inference.engines import registry

    engine = registry.create(model, "auto")
    engine.load()
    return {clip.name: offline(engine, clip.audio(), clip.language) for clip in clips}
