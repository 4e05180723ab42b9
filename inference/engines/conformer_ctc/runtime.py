"""What steps the streams of a model: runtimes that can stand for each other. Each owns what its streams remember.

Torch's own is here; others lie in `runtimes`.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from inference.engines.arithmetic import Arithmetic
from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.pool import Batch, PoolMemory, SlotPool
from inference.engines.conformer_ctc.step import StreamingEncoder
from inference.engines.int8 import quantise


class Runtime(Protocol):
    """Belongs to one thread. A stream has a slot from its segment's first chunk to its end."""

    geometry: Geometry

    def take(self) -> int:
        """A slot that remembers nothing."""

    def give(self, slot: int) -> None:
        """The slot is not needed any more; what it remembers need not be cleared before it is taken again."""

    def step(self, mel: Tensor, slots: Sequence[int]) -> np.ndarray:
        """Encode one chunk of each stream; what they remember moves on, but not where this raises.

        Args:
            mel: float32 (rows, chunk mel frames, mels), on the CPU; zeros before a stream's first frame.
            slots: of the rows, each once.

        Returns:
            What the head says, float32 (rows, chunk, …): log-probabilities of a CTC head.
        """

    def close(self) -> None:
        """Give memory back."""


class TorchRuntime:
    """Args:
    head: what is made of the encoder's states; its output is kept on the CPU as float32.
    arithmetic: of encoder and head.
    """

    def __init__(
        self,
        encoder: StreamingEncoder,
        head: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
    ) -> None:
        self.geometry = encoder.geometry
        self.device = device
        self.dtype = arithmetic.dtype
        self.encoder = encoder.to(device, arithmetic.dtype).eval()
        self.head = head.to(device, arithmetic.dtype).eval()
        if arithmetic.has_int8:
            quantise(self.encoder)
            quantise(self.head)
        self.pool = SlotPool(self.geometry, dtype=arithmetic.dtype, device=device)

    def take(self) -> int:
        return self.pool.take()

    def give(self, slot: int) -> None:
        self.pool.give(slot)

    @torch.inference_mode()
    def step(self, mel: Tensor, slots: Sequence[int]) -> np.ndarray:
        batch = Batch(self.pool, slots)
        memory = PoolMemory(batch)
        states = self.encoder(mel.to(self.device, self.dtype), batch.is_fresh, batch.unseen, memory)
        output: np.ndarray = self.head(states).float().cpu().numpy()
        memory.commit()
        return output

    def close(self) -> None:
        for name in ("encoder", "head", "pool"):
            vars(self).pop(name, None)
