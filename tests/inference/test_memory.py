"""Memory of the process: what is free, also in a container, and that freed memory goes back to the system."""

import sys
from pathlib import Path

import numpy as np
import pytest

from inference import memory

MB = 1_000_000


def container(folder: Path, limit: str, used: int = 600 * MB, cached: int = 100 * MB) -> Path:
    """The files in which control groups, version 2, say what a container may have."""
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used - cached}\ninactive_file {cached}\n")
    return folder


def test_a_container_has_no_more_than_its_limit_and_files_in_the_cache_are_free(tmp_path: Path) -> None:
    assert memory.free_bytes("cpu", container(tmp_path, str(700 * MB))) == 200 * MB


@pytest.mark.parametrize("has_groups", [True, False])
def test_without_a_limit_it_is_what_the_machine_has(has_groups: bool, tmp_path: Path) -> None:
    folder = container(tmp_path, "max") if has_groups else tmp_path

    assert 0 < memory.free_bytes("cpu", folder) < sys.maxsize


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is asked to")
def test_what_was_freed_goes_back_to_the_system() -> None:
    """Pieces too small to be given back by themselves, with one in use behind them."""
    pieces = [np.ones(16_000, dtype=np.uint8) for _ in range(10_000)]
    last = np.ones(16_000, dtype=np.uint8)
    with_all = memory.used_bytes("cpu")
    del pieces

    memory.give_back("cpu")

    assert len(last) == 16_000
    assert memory.used_bytes("cpu") < with_all - 100 * MB
