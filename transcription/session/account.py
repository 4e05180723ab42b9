"""Where every millisecond of a session went: received = transcribed + silence + gap. Pure."""

from dataclasses import dataclass
from typing import Final

from inference.audio import to_ms
from inference.messages import Checkpoint
from transcription.session.intake import AudioFormat

ROUNDING_SAMPLES: Final = 32
"""A resampler's output may differ from the exact length by a sample or two each time it is started."""


@dataclass(frozen=True, slots=True)
class Account:
    """All in milliseconds; the first is exactly the sum of the others."""

    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int

    @property
    def is_complete(self) -> bool:
        return self.gap_ms == 0

    @classmethod
    def of(cls, num_frames: int, audio_format: AudioFormat, checkpoint: Checkpoint) -> "Account":
        """What never came and what was never settled are both gaps."""
        received_samples = audio_format.samples_at(num_frames)
        unsettled_samples = received_samples - checkpoint.settled_samples
        lost_samples = checkpoint.gap_samples + (unsettled_samples if unsettled_samples > ROUNDING_SAMPLES else 0)
        received_ms = to_ms(received_samples)
        gap_ms = min(max(to_ms(lost_samples), 1), received_ms) if lost_samples else 0
        transcribed_ms = min(to_ms(checkpoint.transcribed_samples), received_ms - gap_ms)
        return cls(received_ms, transcribed_ms, received_ms - transcribed_ms - gap_ms, gap_ms)
