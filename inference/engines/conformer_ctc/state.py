"""What a streaming Conformer engine remembers of a stream: the segment that is being spoken."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference.decoding.decoded import Decoded
from inference.engines.conformer_ctc.frontend import PendingAudio
from inference.engines.conformer_ctc.geometry import Geometry


@dataclass(slots=True)
class Utterance:
    """num_heard: samples of the segment that were taken. num_frames: of the encoder, that were written. num_wanted: of a segment
    that is over: frames that belong to it. slot: in the runtime, from the first chunk on. line: the writer's, from the first
    window on. unwritten: what the runtime said of the last chunk, until it is in the line. said: when it is over.
    """

    num_heard: int = 0
    num_frames: int = 0
    num_wanted: int | None = None
    pending: PendingAudio = field(default_factory=PendingAudio)
    slot: int | None = None
    line: Any = None
    unwritten: np.ndarray | None = None
    said: Decoded | None = None

    def forget(self) -> None:
        """The segment is over; its slot was given back."""
        self.num_heard = self.num_frames = 0
        self.pending = PendingAudio()
        self.num_wanted = self.slot = self.line = self.unwritten = self.said = None

    def has_chunk(self, geometry: Geometry) -> bool:
        """Whether another chunk can be encoded. When the segment is over silence stands for what its last one lacks."""
        if self.num_wanted is None:
            return self.pending.has_chunk(geometry)
        if self.num_frames >= self.num_wanted:
            return False
        self.pending.complete(geometry)
        return True
