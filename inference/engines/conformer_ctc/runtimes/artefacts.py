"""Graphs on disk: made once, found again at the next start by what they were made of."""

import hashlib
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Final

from torch import nn

from inference.engines.conformer_ctc import network, step
from inference.engines.conformer_ctc.runtimes import graph

logger = logging.getLogger(__name__)

MAX_KEPT: Final = 8
"""Those used last; a graph of a large model is half a gigabyte."""
SOURCES: Final = tuple(Path(str(module.__file__)) for module in (network, step, graph))
"""Where it is written what a graph computes: after a change there, graphs are made anew."""
CHATTY: Final = ("onnx_ir", "torch.onnx")
"""Libraries that log what they do while they make a graph, and what is not installed; others do it as the root logger."""


def key_of(module: nn.Module, facts: Sequence[str], packages: Sequence[str]) -> str:
    """What a graph of `module` is kept under. facts: how it is made; packages: by what."""
    digest = hashlib.sha256()
    for fact in (*facts, *(f"{package}=={metadata.version(package)}" for package in ("torch", *packages))):
        digest.update(f"{fact}\n".encode())
    for source in SOURCES:
        digest.update(source.read_bytes())
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()[:32]


def kept(folder: Path, key: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` has filled for `key`, now or at an earlier start. All of it or nothing is there, also when
    several processes begin at once."""
    found = folder / key
    if not found.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        started_s = time.monotonic()
        _fill(found, build)
        logger.info("a graph was made in %.0f s and is kept in %s", time.monotonic() - started_s, found)
    os.utime(found)
    _clear(folder)
    return found


def _fill(found: Path, build: Callable[[Path], None]) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=f".{found.name}.", dir=found.parent))
    try:
        with without_notices():
            build(fresh)
        fresh.replace(found)
    except OSError:
        if not found.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _clear(folder: Path) -> None:
    graphs = sorted(folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in graphs[MAX_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def without_notices() -> Iterator[None]:
    """Keep out of the log, and out of the warnings, what libraries say while they make a graph that works."""
    root, loggers = logging.getLogger(), [logging.getLogger(name) for name in CHATTY]
    levels = [one.level for one in loggers]
    root.addFilter(_is_ours)
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        root.removeFilter(_is_ours)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _is_ours(record: logging.LogRecord) -> bool:
    """Loggers hand records of loggers below them on unfiltered: what comes here was logged without a name."""
    return record.name != "root"
