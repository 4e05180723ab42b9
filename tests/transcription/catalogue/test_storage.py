"""The folder of models: whole or not there at all, whatever goes wrong."""

import errno
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.storage import SPARE_BYTES, Storage


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files to copy."""
    for name in ("config.json", "model.bin"):
        (tmp_path / name).write_bytes(name.encode() * 100_000)
    return [tmp_path / "config.json", tmp_path / "model.bin"]


def hold(root: Path, ready: "multiprocessing.synchronize.Event") -> None:
    """An import that never ends."""
    with Storage(root).staging() as folder:
        (folder / "half").write_bytes(b"x")
        ready.set()
        signal.pause()


def left_in(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir())


def test_what_was_copied_appears_under_its_last_name(store: Storage, files: list[Path]) -> None:
    with store.staging() as staging:
        store.copy(files, staging / "m")
        target = store.publish(staging, "m-1")

    assert left_in(store.root) == ["m-1"]
    assert (target / "m" / "model.bin").read_bytes() == files[1].read_bytes()
    assert os.access(target, os.R_OK | os.X_OK)
    assert target.stat().st_mode & 0o055 == 0o055


@pytest.mark.parametrize("failure", [CatalogueError("no"), KeyboardInterrupt(), OSError("gone")])
def test_what_is_not_published_is_gone_however_it_ended(store: Storage, files: list[Path], failure: BaseException) -> None:
    def fail() -> None:
        with store.staging() as staging:
            store.copy(files, staging / "m")
            raise failure

    with pytest.raises(type(failure)):
        fail()

    assert left_in(store.root) == []


def test_what_a_killed_import_left_is_swept_away_by_the_next(store: Storage) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(store.root, ready), daemon=True)
    process.start()
    assert ready.wait(60)

    with store.staging():
        assert len(left_in(store.root)) == 2, "the other import is alive, and keeps what it has"

    process.kill()
    process.join()
    assert len(left_in(store.root)) == 1, "nobody could clean up"

    with store.staging() as staging:
        assert left_in(store.root) == [staging.name]


def test_a_model_that_the_disk_has_no_room_for_is_refused_before_it_is_copied(
    store: Storage, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(file.stat().st_size for file in files)
    free = SimpleNamespace(free=SPARE_BYTES + size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: free)

    with pytest.raises(CatalogueError, match=r"HARK_MODELS_DIR.*Make room"), store.staging() as staging:
        store.copy(files, staging / "m")
    assert left_in(store.root) == []

    free.free += 1
    with store.staging() as staging:
        store.copy(files, staging / "m")


def test_a_disk_that_gets_full_meanwhile_leaves_nothing(
    store: Storage, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(read: IO[bytes], written: IO[bytes], _length: int) -> None:
        written.write(read.read(1000))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", fill_up)

    with (
        pytest.raises(CatalogueError, match=r"config.json was not copied .* No space left on device"),
        store.staging() as staging,
    ):
        store.copy(files, staging / "m")

    assert left_in(store.root) == []


def within(limit_bytes: int, action: Callable[[], object]) -> None:
    """`action` while the system lets no file grow beyond the limit: a real failure in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_that_the_system_refuses_to_write_on_leaves_nothing(store: Storage, files: list[Path]) -> None:
    def take() -> None:
        with store.staging() as staging:
            store.copy(files, staging / "m")

    with pytest.raises(CatalogueError, match="File too large"):
        within(500_000, take)

    assert left_in(store.root) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with (
        pytest.raises(CatalogueError, match=r"file/models \(HARK_MODELS_DIR\) cannot be written to"),
        Storage(tmp_path / "file" / "models").staging(),
    ):
        pass


def test_only_what_was_copied_here_is_deleted(store: Storage, files: list[Path]) -> None:
    with store.staging() as staging:
        store.copy(files, staging / "m")
        target = store.publish(staging, "m-1")

    assert store.owns(str(target / "m"))
    assert not store.owns(str(files[0]))
    assert not store.owns("")
    assert not store.owns(str(store.root / ".." / "other"))

    store.delete(str(target / "m"))
    assert left_in(store.root) == []
    assert files[0].exists()


def test_publishing_again_takes_the_place_of_what_nobody_knows(store: Storage, files: list[Path]) -> None:
    for content in (b"old", b"new"):
        files[0].write_bytes(content)
        with store.staging() as staging:
            store.copy(files, staging / "m")
            target = store.publish(staging, "m-1")

    assert (target / "m" / "config.json").read_bytes() == b"new"
    assert left_in(store.root) == ["m-1"]
