"""The folder that imported models lie in. A model is there whole, or not at all.

Files are copied into a staging folder beside, whose owner holds a lock on it, and appear under their last name in one step. A
staging folder without an owner is what a killed import left; the next one sweeps it away.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transcription.catalogue.errors import CatalogueError

STAGING: Final = ".staging-"
DOWNLOADS: Final = ".downloads"
SPARE_BYTES: Final = 100_000_000
"""Left free on the disk, for whoever else writes there: the database stands still on a full one."""
CHUNK_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Storage:
    """root: HARK_MODELS_DIR."""

    root: Path

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A fresh folder below the root, gone when the block ends, however it ends.

        Raises:
            CatalogueError: the root cannot be written to.
        """
        with ExitStack() as owned:
            folder = self._fresh_folder(owned)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _fresh_folder(self, owned: ExitStack) -> Path:
        """Its lock is given back with `owned`. Nobody sweeps between the making of a folder and its lock."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with _locked(self.root, wait=True):
                self._sweep()
                folder = Path(tempfile.mkdtemp(prefix=STAGING, dir=self.root))
                owned.enter_context(_locked(folder))
        except OSError as err:
            raise CatalogueError(f"{self.root} (HARK_MODELS_DIR) cannot be written to: {err.strerror}.") from err
        return folder

    def _sweep(self) -> None:
        """Delete what killed imports left."""
        for folder in self.root.glob(f"{STAGING}*"):
            with suppress(OSError), _locked(folder):  # somebody's import runs there
                shutil.rmtree(folder, ignore_errors=True)

    def downloads(self, url: str) -> Path:
        """Where parts of what is fetched from `url` are kept until all of it is there."""
        return self.root / DOWNLOADS / hashlib.sha256(url.encode()).hexdigest()[:16]

    def forget_downloads(self, url: str) -> None:
        shutil.rmtree(self.downloads(url), ignore_errors=True)

    def check_room(self, num_bytes: int) -> None:
        """Raises CatalogueError where the disk has no room for so much and SPARE_BYTES."""
        free = shutil.disk_usage(self.root).free
        if num_bytes + SPARE_BYTES > free:
            raise CatalogueError(
                f"{_gb(num_bytes)} are to be written to {self.root} (HARK_MODELS_DIR), and {_gb(free)} are free there, of which "
                f"{_gb(SPARE_BYTES)} are kept free. Make room; files on this machine can also stay where they are (--in-place)."
            )

    def move(self, files: Sequence[Path], folder: Path) -> list[Path]:
        """Into `folder`, which is made, from somewhere else below the root."""
        places = _places(files, folder)
        return [file.rename(place) for file, place in zip(files, places, strict=True)]

    def copy(self, files: Sequence[Path], folder: Path) -> list[Path]:
        """Into `folder`, which is made; on the disk when this returns.

        Raises:
            CatalogueError: a file cannot be read, or the disk is full.
        """
        self.check_room(sum(file.stat().st_size for file in files))
        places = _places(files, folder)
        for file, place in zip(files, places, strict=True):
            with explained(file, self.root):
                _copy_one(file, place)
        return places

    def publish(self, staged: Path, name: str) -> Path:
        """`staged` becomes `name` below the root, in one step; a folder that nobody knows and has that name gives way."""
        target = self.root / name
        staged.chmod(0o755)  # inference may run as somebody else
        shutil.rmtree(target, ignore_errors=True)
        staged.rename(target)
        _sync_folder(self.root)
        return target

    def owns(self, source: str) -> bool:
        """Whether the files at `source` were copied here, and may be deleted."""
        return bool(source) and self.root.resolve() in Path(source).resolve().parents

    def delete(self, source: str) -> None:
        """The folder below the root that holds `source`."""
        root = self.root.resolve()
        inside = Path(source).resolve().relative_to(root)
        shutil.rmtree(root / inside.parts[0], ignore_errors=True)


@contextmanager
def explained(file: Path, root: Path) -> Iterator[None]:
    """An OSError becomes a sentence that tells whether the reader or the writer is to blame."""
    try:
        yield
    except OSError as err:
        reason = err.strerror or str(err)
        raise CatalogueError(
            f"{file.name} was not copied to {root} (HARK_MODELS_DIR): {reason}. What had been copied is deleted again."
        ) from err


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Held against all other processes; the system gives it back when this one dies.

    Raises:
        BlockingIOError: somebody else holds it, and we do not wait.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def _places(files: Sequence[Path], folder: Path) -> list[Path]:
    """Where they come to lie, as they lie now to each other; folders are made."""
    base = os.path.commonpath([file.parent for file in files])
    places = [folder / file.relative_to(base) for file in files]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
    return places


def _copy_one(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, CHUNK_BYTES)
        written.flush()
        os.fsync(written.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB"
