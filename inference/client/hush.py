"""Audio of the quiet that stays here: pure, no link and no clock.

When the inference process has said that a stream is in the quiet, it hears nothing more of it until something is loud: the
same gate that would keep it from the voice activity network (`inference.gate`) is asked here. The last two seconds are kept
(`inference.client.ring`), for they are to be heard before what is loud; what is older has passed, as silence.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.client.ring import SampleRing
from inference.endpointing import FRAME_MS, FRAME_SAMPLES
from inference.gate import LOOKBACK_FRAMES, EnergyGate, frame_powers
from inference.messages import StreamOptions

KEPT_MS: Final = 2_000
assert KEPT_MS >= LOOKBACK_FRAMES * FRAME_MS, "the network is to hear so much before what is loud"


@dataclass(slots=True)
class Hush:
    """`num_passed`: frames, in the stream's own rate, that were kept for a while, have passed, and are not told of yet.

    Only 16-bit samples of one channel are held back.
    """

    options: StreamOptions
    num_passed: int = 0
    _gate: EnergyGate | None = None
    _rest: bytes = b""
    _held: SampleRing | None = None

    @property
    def is_on(self) -> bool:
        return self._gate is not None

    @property
    def num_held(self) -> int:
        """Frames that are kept."""
        return self._held.num_samples if self._held is not None else 0

    @property
    def floor_db(self) -> float | None:
        """The noise floor by now."""
        return None if self._gate is None else self._gate.floor_db

    def begin(self, floor_db: float, num_samples: int) -> None:
        """The inference process has heard the first `num_samples` at 16 kHz, in whole frames, and the noise floor is there."""
        if self.options.encoding == "pcm_s16le" and self.options.num_channels == 1:
            self._gate = EnergyGate(num_frames=num_samples // FRAME_SAMPLES, floor_db=floor_db)
            self._rest = b""

    def stop(self) -> None:
        self._gate = None

    def is_quiet(self, payload: bytes) -> bool:
        """Whether nothing in it, nor in what came since `begin`, is loud."""
        assert self._gate is not None
        unmeasured = self._rest + payload
        samples = np.frombuffer(unmeasured, dtype="<i2")
        frame_samples = self.options.sample_rate_hz * FRAME_MS // 1000
        end = len(samples) - len(samples) % frame_samples
        self._rest = unmeasured[end * samples.itemsize :]
        self._gate.measure(frame_powers(samples[:end], frame_samples))
        return self._gate.is_shut

    def hold(self, payload: bytes) -> None:
        if self._held is None:
            self._held = SampleRing(self.options.sample_rate_hz * KEPT_MS // 1000)
        self.num_passed += self._held.push(np.frombuffer(payload, dtype="<i2"))

    def release(self) -> bytes:
        """What is kept, in order: what is loud comes next."""
        held, self._held = self._held, None
        return held.read() if held is not None else b""
