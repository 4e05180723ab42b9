"""Makes a graph in a process of its own. While torch traces a module, every module of its process is in the tracer's hands; and
in the process that wants the graph, people are heard meanwhile.
"""

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from torch.export import ExportedProgram

from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.artefacts import without_notices
from inference.engines.conformer_ctc.runtimes.graph import GraphStep, exported
from inference.errors import WeightsError

Build = Callable[[ExportedProgram, Geometry, Arithmetic, Path], None]


def make_elsewhere(build: Build, step: GraphStep, geometry: Geometry, arithmetic: Arithmetic, folder: Path) -> None:
    """Let `build`, a function of a module, write the graph of `step` into `folder`. Blocks for seconds to a minute.

    Raises:
        WeightsError: the process failed; it has said why on its standard error.
    """
    process = get_context("spawn").Process(target=_make, args=(build, step, geometry, arithmetic, folder), daemon=True)
    process.start()
    process.join()
    if process.exitcode:
        raise WeightsError(
            f"The process that makes the graph of this model failed (status {process.exitcode}); the log says why. Set "
            "HARK_CONFORMER_RUNTIME to torch, which needs no graph."
        )


def _make(build: Build, step: GraphStep, geometry: Geometry, arithmetic: Arithmetic, folder: Path) -> None:
    with without_notices():
        build(exported(step, geometry), geometry, arithmetic, folder)
