"""Audio of the quiet that is held back, so that it travels in a few large pieces: pure, no link and no clock.

Whether a stream is in the quiet, and what level is quiet there, the inference process says; this only compares. A mistake
would cost no sound, only time: what is held back goes before the next louder piece, and a second of it goes at once.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from inference.audio import SAMPLE_BYTES
from inference.messages import StreamOptions

MAX_HELD_MS: Final = 1_000
MAX_PIECE_MS: Final = 250
"""The level of a longer piece says too little about its parts."""
FULL_SCALE: Final = 32_768.0
MARGIN: Final = 0.5
"""Of the power that inference calls quiet: a piece is a few of its frames long, and one may be louder than their mean."""


@dataclass(slots=True)
class Hush:
    """`power`: mean square, 0 to 1, below which a frame is quiet; 0: nothing is held back.

    Only 16-bit samples of one channel are looked at.
    """

    options: StreamOptions
    power: float = 0.0
    num_bytes: int = 0
    _held: list[bytes] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return self.num_bytes >= self._bytes_of(MAX_HELD_MS)

    def hold(self, payload: bytes) -> None:
        self._held.append(payload)
        self.num_bytes += len(payload)

    def release(self) -> bytes:
        """What was held back, in order."""
        held, self._held, self.num_bytes = self._held, [], 0
        return b"".join(held)

    def is_quiet(self, payload: bytes) -> bool:
        """Whether it may be held back."""
        options = self.options
        if (
            not self.power
            or options.encoding != "pcm_s16le"
            or options.num_channels != 1
            or not 0 < len(payload) <= self._bytes_of(MAX_PIECE_MS)
        ):
            return False
        audio = np.frombuffer(payload, dtype="<i2").astype(np.float32)
        return float(np.dot(audio, audio)) < self.power * MARGIN * FULL_SCALE**2 * len(audio)

    def _bytes_of(self, duration_ms: int) -> int:
        return self.options.sample_rate_hz * duration_ms // 1000 * SAMPLE_BYTES[self.options.encoding]
