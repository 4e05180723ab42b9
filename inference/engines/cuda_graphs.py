"""Recording of CUDA graphs: kernels started once for all, which then repeat at the same addresses."""

from collections.abc import Callable
from typing import Any, Final

import torch

NUM_REHEARSALS: Final = 2
"""Runs before a graph is recorded: libraries choose their kernels and take their workspace in the first ones."""


def recorded(function: Callable[[], None], pool: Any) -> Callable[[], None]:
    """`function` as a graph; its kernels' own memory comes from `pool`, which all graphs share, since no two run at once.

    Args:
        pool: of `torch.cuda.graph_pool_handle`, whose type has no public name.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch left it out
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(NUM_REHEARSALS):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        function()
    return graph.replay
