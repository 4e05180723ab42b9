"""Which files make up the model at a path, and what the folder says of its licence. Only names and small texts are read here.

Whether the files hold what their names promise is found out by an examination.
"""

import json
import re
from pathlib import Path
from typing import Final

from transcription.catalogue.errors import CatalogueError

SAFETENSORS: Final = "model.safetensors"
SHARDS_INDEX: Final = "model.safetensors.index.json"
CTRANSLATE2: Final = "model.bin"
NEMO: Final = "*.nemo"
EMFORMER: Final = (
    "emformer_rnnt_base_librispeech.pt",
    "global_stats_rnnt_librispeech.json",
    "spm_bpe_4096_librispeech.model",
)
"""torchaudio's bundle; the engine has the same list, which the web side does not import."""
PICKLED: Final = "pytorch_model.bin"
BESIDE_WEIGHTS: Final = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "vocabulary.json",
    "vocabulary.txt",
    "tokens.txt",
    "tokenizer.model",
    "MODEL_CARD.md",
)
"""Whatever of these is there belongs to the model, in any kind of folder."""
OWN_FORMAT: Final = "hark-conformer-ctc"
OWN_FOLDERS: Final = ("lm", "reference")
"""Of a checkpoint of our own: its language model, and clips to try it with."""
SHARD_NAME: Final = re.compile(r"[\w.-]+\.safetensors", re.ASCII)
LICENCE_FILE: Final = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)([.-].*)?", re.IGNORECASE)
CARD: Final = "README.md"
CARDS: Final = (CARD, "MODEL_CARD.md")
CARD_LICENCE: Final = re.compile(r"^license:[ \t]*['\"]?([\w .+-]{1,100}?)['\"]?[ \t]*$", re.MULTILINE)
MAX_CARD_BYTES: Final = 1_000_000


def files_of(path: Path) -> list[Path]:
    """The files of the model at `path`, a `.pt` or `.nemo` file or a folder, sorted; what else lies in the folder is left out.

    Raises:
        CatalogueError: there is none in a form that this server reads.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CatalogueError(f"There is no {path}. Give the path of a `.pt` or `.nemo` file, or of a folder with a model.")
    weights = weights_in(path)
    missing = [file.name for file in weights if not file.is_file()]
    if missing:
        raise CatalogueError(f"{path} lacks {', '.join(missing)}. Copy the folder anew.")
    beside = [path / name for name in BESIDE_WEIGHTS if (path / name).is_file()]
    licences = [file for file in path.iterdir() if file.is_file() and LICENCE_FILE.fullmatch(file.name)]
    return sorted({*weights, *beside, *licences, *_below(path)})


def weights_in(folder: Path) -> list[Path]:
    """The files with the parameters; whether all of them are there is not looked at.

    Raises:
        CatalogueError: there are none that this server reads.
    """
    if (folder / SAFETENSORS).is_file():
        return [folder / SAFETENSORS]
    if (folder / SHARDS_INDEX).is_file():
        return [folder / SHARDS_INDEX, *(folder / name for name in shard_names(folder / SHARDS_INDEX))]
    if (folder / CTRANSLATE2).is_file():
        return [folder / CTRANSLATE2]
    archives = sorted(folder.glob(NEMO))
    if len(archives) == 1:
        return archives
    if any((folder / name).is_file() for name in EMFORMER):
        return [folder / name for name in EMFORMER]
    found = sorted(entry.name for entry in folder.iterdir())
    hint = " Save it with save_pretrained(…, safe_serialization=True): pickles are not read." if PICKLED in found else ""
    raise CatalogueError(
        f"{folder} holds {', '.join(found[:8]) or 'nothing'}; expected {SAFETENSORS}, {SHARDS_INDEX}, {CTRANSLATE2} or one "
        f"`.nemo` file. A `.pt` file is given by its own path.{hint}"
    )


def _below(folder: Path) -> list[Path]:
    """What lies one folder deeper in a checkpoint of our own."""
    config = folder / "config.json"
    try:
        is_own = json.loads(config.read_text(encoding="utf-8")).get("format") == OWN_FORMAT
    except (OSError, ValueError, AttributeError):
        return []  # whether it is a model at all is found out later
    return [file for name in OWN_FOLDERS for file in (folder / name).glob("*") if is_own and file.is_file()]


def shard_names(index: Path) -> list[str]:
    """What an index lists.

    Raises:
        CatalogueError: it is none, or names files that lie elsewhere.
    """
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        is_usable = bool(names) and all(SHARD_NAME.fullmatch(name) for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise CatalogueError(f"{index} lists no files ({err!r}). Copy the folder anew.") from err
    if not is_usable:
        raise CatalogueError(f"{index} names files that are no .safetensors beside it. Copy the folder anew.")
    return names


def licence_of(path: Path) -> str:
    """What the model card says, as its author wrote it; empty where there is none, or it does not say."""
    cards = [path / name for name in CARDS if (path / name).is_file()]
    if not cards or cards[0].stat().st_size > MAX_CARD_BYTES:
        return ""
    card = cards[0]
    head = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    found = CARD_LICENCE.search(head) if head.startswith("---") else None
    return found[1] if found else ""


def name_for(path: Path) -> str:
    """What a model is called when nobody says: the file or folder, without what a name may not hold."""
    stem = path.stem if path.is_file() else path.resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
