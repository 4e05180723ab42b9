"""Graphs are made where nobody is heard: torch's tracer takes hold of all modules of its process."""

import os
from pathlib import Path

from torch.export import ExportedProgram

from inference.engines.arithmetic import FP32, Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtimes.making import make_elsewhere
from tests.inference.engines.conformer_ctc.runtimes.graphs import step_of


def write_process(program: ExportedProgram, _geometry: Geometry, _arithmetic: Arithmetic, folder: Path) -> None:
    """Instead of a graph; the program is looked at."""
    (folder / "process").write_text(f"{os.getpid()} {len(program.graph_signature.user_inputs) > 1}")


def test_a_graph_is_made_in_another_process(network: ConformerCtc, tmp_path: Path) -> None:
    make_elsewhere(write_process, *step_of(network), FP32, tmp_path)

    process, has_inputs = (tmp_path / "process").read_text().split()
    assert (int(process) != os.getpid(), has_inputs) == (True, "True")
