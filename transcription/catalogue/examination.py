"""Asks a process of its own what a model is: `python -m inference.examine`. The web side loads no model."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings

from inference.examine.facts import Examined, Facts
from transcription.catalogue.errors import CatalogueError

PATIENCE_S: Final = 3600
"""The largest model on the slowest disk; whoever waits sees that it is being read."""


def examine(name: str, path: Path | None, precision: str = "auto") -> Facts:
    """Load the model at `path` (None: the one that comes with the project and has that name) and say what it is. Blocks.

    Raises:
        CatalogueError: it is none, is damaged, or does not fit into memory.
    """
    model = name if path is None else f"{name}={path}"
    command = [sys.executable, "-m", "inference.examine", model, "--precision", precision]
    try:
        done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as err:
        raise CatalogueError(f"{name} was not read within {PATIENCE_S // 60} minutes. Is the disk that it lies on slow?") from err
    if done.returncode:
        raise CatalogueError(death_of(name, done.returncode, done.stderr.decode(errors="replace")))
    examined = msgspec.json.decode(done.stdout, type=Examined)
    if examined.facts is None:
        raise CatalogueError(examined.refusal.message if examined.refusal else f"Nothing was said of {name}.")
    return examined.facts


def death_of(name: str, status: int, log: str) -> str:
    """A sentence. `status`: below 0 it is a signal, most likely of a system that is short of memory."""
    if status < 0:
        return f"The process that read {name} was ended by signal {-status}; was there memory enough for the model?"
    last = log.strip().rpartition("\n")[2]
    return f"The process that read {name} failed: {last or f'status {status}'}."
