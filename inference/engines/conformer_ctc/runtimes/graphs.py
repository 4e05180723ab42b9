"""Torch on a GPU: the step at a few fixed numbers of rows, recorded as CUDA graphs, because starting its hundreds of small
kernels one by one takes longer than their work.

A graph only ever repeats the same kernels at the same addresses: rows that a batch has too few are those of a slot that nobody
has, and when the pool has grown graphs are recorded anew. Without CUDA the same steps are called instead, which is how tests run
them.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.pool import FIRST_SLOTS, Batch, Places, PoolMemory, SlotPool
from inference.engines.conformer_ctc.runtime import TorchRuntime
from inference.engines.conformer_ctc.step import StreamingEncoder
from inference.engines.cuda_graphs import recorded

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RESERVED_SLOTS: Final = 1024
FREE_SHARE: Final = 4
"""Of the memory that is free, a quarter at most is taken before anybody speaks: another model may have to be loaded beside."""


class BatchOnDevice(Batch):
    """Slots and ages are tensors on the pool's device: whatever follows from them is computed there."""

    def __init__(self, pool: SlotPool, slots: Tensor, ages: Tensor) -> None:
        num_new = pool.geometry.chunk_frames
        self.pool, self.slots, self.ages = pool, slots, ages
        self.keys = Places(pool.keys[0].length, num_new, slots, ages, pool.device)
        self.gates = Places(pool.gates[0].length, num_new, slots, ages, pool.device)
        self.is_fresh, self.unseen = self.fresh_rows(), self.unseen_scores()


class StillStep:
    """A step of so many rows in memory that does not move: `mel`, `slots` and `ages` are read, `output` is written."""

    def __init__(self, runtime: "GraphsRuntime", num_rows: int) -> None:
        geometry, device = runtime.geometry, runtime.device
        shape = (num_rows, geometry.chunk_mel_frames, geometry.config.num_mels)
        self.runtime = runtime
        self.mel = torch.zeros(shape, dtype=runtime.dtype, device=device)
        self.slots = torch.zeros(num_rows, dtype=torch.long, device=device)
        self.ages = torch.zeros(num_rows, dtype=torch.long, device=device)
        self.output = torch.zeros(0)
        self.run: Callable[[], None] = self.compute

    def fill(self, mel: Tensor, slots: Sequence[int]) -> None:
        """Rows beyond those given are idle."""
        runtime = self.runtime
        spread = torch.tensor([*slots, *[runtime.idle_slot] * (len(self.slots) - len(slots))])
        self.mel[: len(mel)].copy_(mel)
        self.slots.copy_(spread)
        self.ages.copy_(runtime.pool.ages[spread])

    def compute(self) -> None:
        runtime = self.runtime
        batch = BatchOnDevice(runtime.pool, self.slots, self.ages)
        memory = PoolMemory(batch)
        states = runtime.encoder(self.mel, batch.is_fresh, batch.unseen, memory)
        self.output = runtime.head(states).float()
        for rows, new in zip(runtime.pool.stages, memory.new_stages, strict=True):
            rows.index_copy_(0, self.slots, new)


class GraphsRuntime(TorchRuntime):
    """Args: as `TorchRuntime`."""

    def __init__(self, encoder: StreamingEncoder, head: nn.Module, arithmetic: Arithmetic, device: torch.device) -> None:
        super().__init__(encoder, head, arithmetic, device)
        if device.type == "cuda":
            self.pool.resize(self._num_reserved(torch.cuda.mem_get_info(device)[0]))
            self.graph_pool = torch.cuda.graph_pool_handle()
        self.idle_slot = self.take()
        self.steps: dict[int, StillStep] = {}
        self.num_slots = self.pool.num_slots

    @torch.inference_mode()
    def step(self, mel: Tensor, slots: Sequence[int]) -> np.ndarray:
        if len(slots) > SIZES[-1]:
            return np.concatenate(
                [self.step(mel[: SIZES[-1]], slots[: SIZES[-1]]), self.step(mel[SIZES[-1] :], slots[SIZES[-1] :])]
            )
        still = self._still(next(size for size in SIZES if size >= len(slots)))
        still.fill(mel, slots)
        still.run()
        output: np.ndarray = still.output[: len(slots)].cpu().numpy()
        self.pool.ages[torch.tensor(slots)] += self.geometry.chunk_frames
        return output

    def _still(self, num_rows: int) -> StillStep:
        if self.num_slots != self.pool.num_slots:
            self.steps, self.num_slots = {}, self.pool.num_slots
        if num_rows not in self.steps:
            self.steps[num_rows] = self._prepared(num_rows)
        return self.steps[num_rows]

    def _prepared(self, num_rows: int) -> StillStep:
        """Rehearsed with idle rows, whose memory is nobody's."""
        still = StillStep(self, num_rows)
        still.slots.fill_(self.idle_slot)
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                still.run = recorded(still.compute, self.graph_pool)
        return still

    def _num_reserved(self, free_bytes: int) -> int:
        """Slots to begin with. When there are too few, everybody waits while graphs are recorded for twice as many."""
        return max(FIRST_SLOTS, min(RESERVED_SLOTS, free_bytes // FREE_SHARE // self.pool.slot_bytes))

    def close(self) -> None:
        vars(self).pop("steps", None)
        super().close()
