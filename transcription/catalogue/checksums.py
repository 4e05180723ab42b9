"""One SHA-256 for all files of a model."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def of_file(path: Path) -> str:
    """Hex, lower case; the same as `sha256sum` prints. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joined(by_name: Mapping[str, str]) -> str:
    """That of a single file, else of what `sha256sum` prints of all of them, sorted by name."""
    if len(by_name) == 1:
        return next(iter(by_name.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(by_name.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def of_files(files: Sequence[Path]) -> str:
    """Raises OSError where one of them cannot be read."""
    return joined(dict(zip(_names(files), (of_file(file) for file in files), strict=True)))


def _names(files: Sequence[Path]) -> list[str]:
    """Without folders, where that tells them apart."""
    names = [file.name for file in files]
    if len(set(names)) == len(names):
        return names
    base = os.path.commonpath([file.parent for file in files])
    return [file.relative_to(base).as_posix() for file in files]
