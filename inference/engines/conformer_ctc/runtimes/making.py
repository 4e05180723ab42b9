"""Makes a graph in a process of its own. While torch traces a module, every module of its process is in the tracer's hands; and
in the process that wants the graph, people are heard meanwhile.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch.export import ExportedProgram

import inference
from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.artefacts import without_notices
from inference.engines.conformer_ctc.runtimes.graph import GraphStep, exported
from inference.errors import WeightsError

Build = Callable[[ExportedProgram, Geometry, Arithmetic, Path], None]
PROJECT_DIR: Final = Path(inference.__file__).parents[1]
MODULE: Final = "inference.engines.conformer_ctc.runtimes.making"


def make_elsewhere(build: Build, step: GraphStep, geometry: Geometry, arithmetic: Arithmetic, folder: Path) -> None:
    """Let `build`, a function of a module, write the graph of `step` into `folder`. Blocks for seconds to a minute.

    Raises:
        WeightsError: the process failed; it has said why on its standard error.
    """
    with TemporaryDirectory() as place:
        task = Path(place) / "task.pt"
        torch.save((build, step, geometry, arithmetic, folder.resolve()), task)
        done = subprocess.run([sys.executable, "-m", MODULE, str(task)], cwd=PROJECT_DIR, check=False)
    if done.returncode:
        raise WeightsError(
            f"The process that makes the graph of this model failed (status {done.returncode}); the log says why. Set "
            "HARK_CONFORMER_RUNTIME to torch, which needs no graph."
        )


def main(task: str) -> None:
    """task: a file that `make_elsewhere` wrote."""
    build, step, geometry, arithmetic, folder = torch.load(task, weights_only=False)  # nobody else can have written it
    with without_notices():
        build(exported(step, geometry), geometry, arithmetic, folder)


if __name__ == "__main__":
    main(sys.argv[1])
