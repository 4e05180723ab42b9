"""Offline texts: the same weights decoding every clip whole. Kept in a file, because they do not change."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speech import Clip


def whole_texts(clips: Sequence[Clip], model: str, cache: Path) -> dict[str, str]:
    """By the name of the clip. Loads the model only where the file lacks a clip; `cache` is made or added to."""
    known: dict[str, dict[str, str]] = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
    texts = known.setdefault(model, {})
    missing = [clip for clip in clips if clip.name not in texts]
    if missing:
        texts |= _decode(missing, model)
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
    return {clip.name: texts[clip.name] for clip in clips}


def _decode(clips: Sequence[Clip], model: str) -> dict[str, str]:
    from benchmarks.accuracy import offline  # torch: hundreds of MB that the clients' processes do without
    from inference.engines import registry

    engine = registry.create(model, "auto")
    engine.load()
    return {clip.name: offline(engine, clip.audio(), clip.language) for clip in clips}
